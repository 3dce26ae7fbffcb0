package photopush_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/photopush/photopush"

// imports is the import picture: which rooms a room may import, besides the root. A package missing here may import none of ours.
var imports = map[string][]string{
	"accountpicture":  {"photo"},
	"pictures":        {"filematch", "photo"},
	"visit":           {"accountpicture", "photo"},
	"jobs":            {"accountpicture", "want", "visit"},
	"winrm":           {"gss"},
	"directory":       {"gss"},
	"winrm/masterzen": {"winrm"}, // a module of its own: it alone knows masterzen/winrm
	"doctor":          {"winrm", "accountpicture"},
	"contactsheet":    {"photo"},
	"photoimport":     {"filematch", "photo", "spreadsheet"},
	"report":          {"spreadsheet"},
	"config":          {"accountpicture", "directory", "gss", "jobs", "photo", "photoimport", "pictures", "server", "store", "want", "winrm"},
	"internal/simwin": {"accountpicture", "gss", "internal/badge"},
	"internal/farend": {"gss", "internal/simwin"},
	"internal/lab":    {"internal/badge", "internal/simad", "internal/simwin"},
	"store/storetest": {"store"},
	"cmd/photopush": {"accountpicture", "config", "contactsheet", "directory", "doctor", "gss", "internal/lab", "jobs", "logon", "photo", "photoimport", "pictures",
		"report", "server", "spreadsheet", "store", "visit", "want", "winrm"},
}

// testImports are the additional rooms that a package's tests may import.
var testImports = map[string][]string{
	"accountpicture":  {"accountpicture/golden", "internal/simwin", "internal/winelab"},
	"gss":             {"internal/krblab"},
	"doctor":          {"gss", "internal/krblab", "internal/simwin", "internal/winelab"},
	"winrm":           {"accountpicture", "internal/farend", "internal/krblab", "internal/simwin"},
	"winrm/masterzen": {"gss", "internal/badge", "internal/farend", "internal/krblab", "internal/simwin", "photo", "visit"},
	"directory":       {"internal/krblab", "internal/simad", "internal/sambalab"},
	"visit":           {"internal/simwin", "internal/winelab", "internal/badge", "winrm"},
	"jobs":            {"internal/badge", "internal/simwin", "photo", "store"},
	"photoimport":     {"internal/badge", "store"},
	"store":           {"store/storetest"},
	"internal/farend": {"internal/krblab", "winrm"},
	"internal/simwin": {"accountpicture/golden", "photo", "internal/krblab", "internal/winelab", "winrm"},
	"cmd/photopush":   {"internal/krblab", "internal/simad", "internal/simwin", "internal/sambalab", "internal/winelab", "internal/badge"},
}

func TestImportPicture(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || file != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		room := path.Dir(filepath.ToSlash(file))
		allowed := imports[room]
		if strings.HasSuffix(file, "_test.go") {
			allowed = slices.Concat(allowed, testImports[room], []string{room, "internal/summary"})
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checked++
			switch inner, ours := strings.CutPrefix(name, module+"/"); {
			case ours && !slices.Contains(allowed, inner):
				t.Errorf("%s imports %s; the import picture lets %s import %v", file, inner, room, allowed)
			case room == "." && !strings.HasSuffix(file, "_test.go") && strings.Contains(name, "."):
				t.Errorf("%s imports %s; the root imports the standard library only", file, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no import was looked at")
	}
}
