package simwin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// valueNames are the values that may be touched, in the order of every answer.
var valueNames = []string{"Image32", "Image40", "Image48", "Image64", "Image96", "Image192", "Image200", "Image208", "Image240", "Image424", "Image448", "Image1080"}

// Forms of fields, docs/script.md.
var (
	pictureName = regexp.MustCompile(`\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-Image(32|40|48|64|96|192|200|208|240|424|448|1080)\.jpg\z`)
	hexSum      = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
	stateForm   = regexp.MustCompile(`\A(absent|[0-9a-f]{64})\z`)
	lengthForm  = regexp.MustCompile(`\A[1-9][0-9]{0,7}\z`)
	rungsForm   = regexp.MustCompile(`\Aplain(,ace)?\z`)
	localFolder = regexp.MustCompile(`\A[A-Za-z]:(\\[A-Za-z0-9 ()_-]+)+\z`)
)

var errInput = failure{"script", 0, "input", "the line does not fit its verb"}

// A verb is one line with the base64 lines that belong to it.
type verb struct {
	name   string // input for one that is not known
	fields []string
	base64 string // the lines after put_file, joined, through the line with a single dot
}

// readVerbs splits what stands after the script.
func readVerbs(script accountpicture.Script, lines []string) []verb {
	var verbs []verb
	for i := 0; i < len(lines); i++ {
		v := verb{name: "input", fields: strings.Split(lines[i], "\t")}
		if script.Knows(v.fields[0]) {
			v.name = v.fields[0]
		}
		if v.name == "put_file" {
			first := i + 1
			for i = first; i < len(lines) && lines[i] != "."; i++ {
			}
			v.base64 = strings.Join(lines[first:min(i+1, len(lines))], "")
		}
		verbs = append(verbs, v)
	}
	return verbs
}

func (p *process) invoke(ctx context.Context, v verb) (object, error) {
	switch v.name {
	case "inventory":
		return p.inventory(ctx, v.fields)
	case "check":
		return p.check(ctx, v.fields)
	case "put_file":
		return p.putFile(ctx, v)
	case "save_original":
		return p.saveOriginal(ctx, v.fields)
	case "set_values":
		return p.setValues(ctx, v.fields)
	case "delete_files":
		return p.deleteFiles(ctx, v.fields)
	case "recover":
		return p.recover(v.fields)
	case "delete_values":
		return p.deleteValues(ctx, v.fields)
	case "restore_original":
		return p.restoreOriginal(ctx, v.fields)
	case "tighten_acl":
		return p.tightenACL(ctx, v.fields)
	}
	return nil, errInput
}

func (p *process) putFile(ctx context.Context, v verb) (object, error) {
	f := v.fields
	if len(f) != 5 || !isSID(f[1]) || !pictureName.MatchString(f[2]) || !lengthForm.MatchString(f[3]) || !hexSum.MatchString(f[4]) ||
		f[2][33:49] != f[4][:16] || !isBase64(v.base64) {
		return nil, errInput
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(v.base64, "."))
	if err != nil {
		return nil, errInput
	}
	if got := sha256.Sum256(data); strconv.Itoa(len(data)) != f[3] || hex.EncodeToString(got[:]) != f[4] {
		return nil, failure{"script", 0, "content", "the bytes are not what the line says"}
	}
	folder := p.pictures + `\` + f[1]
	if err := p.safePath(ctx, folder, pictureFolderSDDL); err != nil {
		return nil, err
	}
	path, state := folder+`\`+f[2], "same"
	if !p.m.fileExists(path) {
		if err := p.writeNewFile(ctx, path, data); err != nil {
			return nil, err
		}
		state = "new"
	}
	p.where = "read-back"
	sum, err := p.hash(ctx, path)
	if err == nil && sum != f[4] {
		err = failure{"conflict", 0, "file", f[2] + " has other content"}
	}
	return object{{"sid", f[1]}, {"name", f[2]}, {"sha256", sum}, {"state", state}}, err
}

// isBase64 tells whether lines of base64, joined, have its characters alone, and at last the dot. There may be megabytes.
func isBase64(text string) bool {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
	return len(text) > 1 && strings.TrimLeft(text, digits) == "."
}

func isSID(s string) bool { return photopush.SID(s).IsAccount() }

func (p *process) setValues(ctx context.Context, f []string) (object, error) {
	if len(f) < 5 || !isSID(f[1]) || !stateForm.MatchString(f[2]) || !rungsForm.MatchString(f[3]) {
		return nil, errInput
	}
	names, files, err := splitPairs(f[4:])
	if err != nil {
		return nil, err
	}
	sid, folder := f[1], p.pictures+`\`+f[1]
	if err := p.safePath(ctx, folder, ""); err != nil {
		return nil, err
	}
	if _, err := p.expect(sid, f[2]); err != nil {
		return nil, err
	}
	p.where = "file"
	for _, file := range files {
		if err := p.complete(ctx, folder, file); err != nil {
			return nil, err
		}
	}
	w, err := p.usePictureKey(ctx, sid, f[3], func(key *keyHandle) error {
		for i, name := range names {
			if err := p.setPictureValue(ctx, key, name, folder+`\`+files[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return w.object(), err
}

func splitPairs(pairs []string) (names, files []string, err error) {
	for _, pair := range pairs {
		name, file, ok := strings.Cut(pair, "=")
		if !ok || !slices.Contains(valueNames, name) || slices.Contains(names, name) || !pictureName.MatchString(file) {
			return nil, nil, errInput
		}
		names, files = append(names, name), append(files, file)
	}
	return names, files, nil
}

// expect compares what a user's values are with what the verb says they are.
func (p *process) expect(sid, state string) (account, error) {
	read, err := p.readValues(sid)
	if err == nil && read.state != state {
		err = failure{"conflict", 0, "state", "the values are not what was expected"}
	}
	return read, err
}

// complete fails unless the file is there with the content that its name tells.
func (p *process) complete(ctx context.Context, folder, file string) error {
	sum := ""
	if p.m.fileExists(folder + `\` + file) {
		var err error
		if sum, err = p.hash(ctx, folder+`\`+file); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(sum, file[33:49]) {
		return failure{"conflict", 0, "file", file + " is not there, or has other content"}
	}
	return nil
}

func (p *process) deleteFiles(ctx context.Context, f []string) (object, error) {
	if len(f) < 4 || !isSID(f[1]) || !stateForm.MatchString(f[2]) || slices.ContainsFunc(f[3:], func(n string) bool { return !pictureName.MatchString(n) }) {
		return nil, errInput
	}
	sid, files, folder := f[1], f[3:], p.pictures+`\`+f[1]
	if err := p.safePath(ctx, folder, ""); err != nil {
		return nil, err
	}
	read, err := p.expect(sid, f[2])
	if err != nil {
		return nil, err
	}
	for _, v := range read.values {
		data := v.text()
		if named := data[strings.LastIndexAny(data, `\/`)+1:]; contains(files, named) {
			return nil, failure{"conflict", 0, "named", v.name + " names " + named}
		}
	}
	deleted, kept := []string{}, []string{}
	for _, file := range files {
		err := error(nil)
		if p.m.fileExists(folder + `\` + file) {
			err = p.removeOwnFile(ctx, folder+`\`+file)
		}
		switch {
		case err == nil:
			deleted = append(deleted, file)
		case exception(err):
			kept = append(kept, file) // somebody has it open: it stays for the next time
		default:
			return nil, err
		}
	}
	if err := p.removeEmpty(ctx, folder); err != nil && !exception(err) {
		return nil, err
	}
	return object{{"sid", sid}, {"deleted", deleted}, {"kept", kept}, {"folder", p.m.folderExists(folder)}}, nil
}

// removeEmpty deletes a folder of ours in which nothing is left.
func (p *process) removeEmpty(ctx context.Context, folder string) error {
	if !p.m.folderExists(folder) {
		return nil
	}
	for _, folders := range []bool{false, true} {
		if names, err := p.m.list(folder, folders); err != nil || len(names) > 0 {
			return err
		}
	}
	return p.removeOwnFolder(ctx, folder)
}
