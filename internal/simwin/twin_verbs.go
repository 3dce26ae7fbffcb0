package simwin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/photopush/photopush"
)

// valueNames are the values that may be touched, in the order of every answer.
var valueNames = []string{"Image32", "Image40", "Image48", "Image64", "Image96", "Image192", "Image200", "Image208", "Image240", "Image424", "Image448", "Image1080"}

// Forms of fields, docs/script.md.
var (
	pictureName = regexp.MustCompile(`\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-Image(32|40|48|64|96|192|200|208|240|424|448|1080)\.jpg\z`)
	hexSum      = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
	stateForm   = regexp.MustCompile(`\A(absent|[0-9a-f]{64})\z`)
	lengthForm  = regexp.MustCompile(`\A[1-9][0-9]{0,7}\z`)
	base64Form  = regexp.MustCompile(`\A[A-Za-z0-9+/=]+\.\z`)
	localFolder = regexp.MustCompile(`\A[A-Za-z]:(\\[A-Za-z0-9 ()_-]+)+\z`)
)

var errInput = failure{"script", 0, "input", "the line does not fit its verb"}

// A verb is one line with the base64 lines that belong to it.
type verb struct {
	name   string // input for one that is not known
	fields []string
	base64 string // the lines after put_file, joined, through the line with a single dot
}

var verbNames = []string{"inventory", "check", "put_file", "set_values", "delete_files"}

// readVerbs splits what stands after the script.
func readVerbs(lines []string) []verb {
	var verbs []verb
	for i := 0; i < len(lines); i++ {
		v := verb{name: "input", fields: strings.Split(lines[i], "\t")}
		if slices.Contains(verbNames, v.fields[0]) {
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
	case "set_values":
		return p.setValues(ctx, v.fields)
	case "delete_files":
		return p.deleteFiles(ctx, v.fields)
	}
	return nil, errInput
}

// findRoots finds our two folders.
func (p *process) findRoots() error {
	p.where = "roots"
	r := reader{m: p.m}
	root := strings.TrimRight(string(utf16.Decode(r.text(currentVersion, "ProgramFilesDir"))), `\`)
	if r.err != nil {
		return r.err
	}
	if !localFolder.MatchString(root) {
		return failure{"unsupported", 0, "roots", "ProgramFilesDir is '" + root + "'"}
	}
	p.home = root + `\photopush`
	p.pictures = p.home + `\AccountPictures`
	return nil
}

// lock holds the lock file until the process ends. A run that only reads takes it where there is one.
func (p *process) lock(ctx context.Context) error {
	folder := p.home + `\State`
	path := folder + `\lock`
	if slices.ContainsFunc(p.verbs, func(v verb) bool { return strings.Contains(v.name, "_") }) {
		if err := p.safePath(ctx, folder, stateFolderSDDL); err != nil {
			return err
		}
	} else if !p.m.fileExists(path) {
		return nil
	}
	p.where = EnterLock
	err := p.effect(ctx, EnterLock, path, func() error { return p.takeLock(ctx, path) }, nil)
	if w, ok := errors.AsType[winError](err); ok && w.hresult == sharingViolation {
		return failure{"conflict", sharingViolation, "lock", "another run holds the lock"}
	}
	return err
}

func (p *process) takeLock(ctx context.Context, path string) error {
	return patiently(ctx, func() error {
		h, err := p.m.openFile(path, openOrCreate, fileReadData|fileWriteData, 0)
		if err == nil {
			p.held = append(p.held, h)
		}
		return err
	})
}

// patiently tries three times more, 100 ms apart, while somebody holds the file, as a virus scanner may for a moment.
func patiently(ctx context.Context, do func() error) error {
	for tries := 1; ; tries++ {
		err := do()
		if w, ok := errors.AsType[winError](err); !ok || tries > 3 || w.hresult != sharingViolation && w.hresult != lockViolation {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *process) putFile(ctx context.Context, v verb) (object, error) {
	f := v.fields
	if len(f) != 5 || !isSID(f[1]) || !pictureName.MatchString(f[2]) || !lengthForm.MatchString(f[3]) || !hexSum.MatchString(f[4]) ||
		f[2][33:49] != f[4][:16] || !base64Form.MatchString(v.base64) {
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
		if err := p.writeFile(ctx, path, data); err != nil {
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

func isSID(s string) bool { return photopush.SID(s).IsAccount() }

// writeFile creates, writes and flushes a file; what could not be finished is taken away again, unless the process dies.
func (p *process) writeFile(ctx context.Context, path string, data []byte) error {
	p.where = WritePictureFile
	write := func(b []byte, mend bool) error {
		var h *fileHandle
		err := patiently(ctx, func() (err error) {
			h, err = p.m.openFile(path, createNew, fileWriteData, 0)
			return err
		})
		if err != nil {
			return err
		}
		err = p.m.write(h, b)
		p.m.close(h)
		if err != nil && mend {
			return errors.Join(err, p.m.deleteFile(path))
		}
		return err
	}
	return p.effect(ctx, WritePictureFile, path,
		func() error { return write(data, true) }, func() error { return write(data[:len(data)/2], false) })
}

func (p *process) setValues(ctx context.Context, f []string) (object, error) {
	if len(f) < 5 || !isSID(f[1]) || !stateForm.MatchString(f[2]) || f[3] != "plain" {
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
	key, err := p.pictureKey(ctx, sid)
	if err != nil {
		return nil, err
	}
	p.where = SetPictureValue
	for i, name := range names {
		set := func() error { return p.m.setValue(key, name, StringValue(folder+`\`+files[i])) }
		if err := p.effect(ctx, SetPictureValue, name, set, nil); err != nil {
			return nil, err
		}
	}
	read, err := p.readValues(sid)
	return object{{"sid", sid}, {"rung", "plain"}, {"state", read.state}, {"values", read.objects()}}, err
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

// pictureKey opens the key of a user to set values with; it is made when there is none.
func (p *process) pictureKey(ctx context.Context, sid string) (*keyHandle, error) {
	p.where = "open-key"
	key, err := p.openPictureKey(sid)
	if key != nil || err != nil {
		return key, err
	}
	p.where = NewPictureKey
	err = p.effect(ctx, NewPictureKey, sid, func() (err error) {
		key, err = p.m.createKey(pictureUsersKey + `\` + sid)
		return err
	}, nil)
	return key, err
}

// openPictureKey opens the key of a user to set values with; nil when there is none.
func (p *process) openPictureKey(sid string) (*keyHandle, error) {
	return p.m.openKey(pictureUsersKey+`\`+sid, keySetValue|keyQueryValue)
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
		data := string(utf16.Decode(cut(v.data, maxData)))
		if named := data[strings.LastIndexAny(data, `\/`)+1:]; contains(files, named) {
			return nil, failure{"conflict", 0, "named", v.name + " names " + named}
		}
	}
	deleted, kept := []string{}, []string{}
	for _, file := range files {
		err := p.remove(ctx, folder+`\`+file)
		if _, held := errors.AsType[winError](err); held {
			kept = append(kept, file) // somebody has it open: it stays for the next time
			continue
		}
		if err != nil {
			return nil, err
		}
		deleted = append(deleted, file)
	}
	return object{{"sid", sid}, {"deleted", deleted}, {"kept", kept}}, nil
}

func (p *process) remove(ctx context.Context, path string) error {
	if !p.m.fileExists(path) {
		return nil
	}
	return p.effect(ctx, RemovePictureFile, path, func() error {
		return patiently(ctx, func() error { return p.m.deleteFile(path) })
	}, nil)
}
