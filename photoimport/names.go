package photoimport

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/photopush/photopush/filematch"
)

// maxSafe is the longest name that SafeName gives, in bytes, so that an extension and a number still fit: file systems take 255.
const maxSafe = 200

// SafeName makes of a text the name of a file, without an extension, that Windows and Linux take and that leads nowhere else: without separators, signs that
// Windows forbids, device names, dots and spaces at its end, and dots at its beginning.
func SafeName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), strings.ContainsRune(`<>:"/\|?*`, r), r == utf8.RuneError:
			return '_'
		}
		return r
	}, strings.ToValidUTF8(text, "_"))
	if len(name) > maxSafe {
		name = strings.ToValidUTF8(name[:maxSafe], "")
	}
	name = strings.TrimRight(name, ". ")
	if name == "" || name[0] == '.' || name[0] == ' ' || isDevice(name) {
		name = "_" + strings.TrimLeft(name, ". ")
	}
	return name
}

// isDevice tells whether Windows takes the name for a device, whatever extension it has (Naming Files, Paths, and Namespaces, Win32).
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	rest, port := strings.CutPrefix(stem, "COM")
	if !port {
		rest, port = strings.CutPrefix(stem, "LPT")
	}
	return port && utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "0123456789¹²³")
}

// numbered is the name of a file that is nobody's for an import, without an extension: ada=value2. what is "value" or "person". An account name has no equals sign
// (Active Directory Schema, SAM-Account-Name), and whoever is called so by another attribute has a name of his own, see stemOf: so it cannot become somebody's later.
func numbered(stem, what string, n int) string { return fmt.Sprintf("%s=%s%d", stem, what, n) }

var nobodys = regexp.MustCompile(`=(VALUE|PERSON)[0-9]+\z`)

// isNobodys tells whether a folded name is one that numbered gives.
func isNobodys(key string) bool { return nobodys.MatchString(key) }

// stemOf is the name of somebody's file, without an extension: safe, and not one that an import passes over.
func stemOf(text string) string {
	name := SafeName(text)
	if isNobodys(filematch.Fold(name)) {
		name += "_"
	}
	return name
}

// keys are what a person's files are found by: his name by the pattern, and that as a file can have it, which is how Export writes it.
func keys(p *filematch.Pattern, value func(string) string) []string {
	name, ok := p.Name(value)
	if !ok {
		return nil
	}
	plain, safe := filematch.Fold(name), filematch.Fold(stemOf(name))
	if plain == safe {
		return []string{plain}
	}
	return []string{plain, safe}
}
