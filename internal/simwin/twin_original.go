package simwin

import (
	"bytes"
	"context"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// maxOriginal bounds the file that keeps what was there before us, in bytes.
const maxOriginal = 64 << 10

// An original is what save_original kept of a user.
type original struct {
	state  string // empty for none
	values []keptValue
}

type keptValue struct{ name, data string }

var (
	keptState = regexp.MustCompile(`\A; S-[0-9-]+ before photopush: (absent|[0-9a-f]{64})\z`)
	keptData  = regexp.MustCompile(`\A"(Image[0-9]+)"="(.*)"\z`)
	escaped   = regexp.MustCompile(`\\(.)`)
	plainForm = regexp.MustCompile(`\A[A-Za-z]:\\[^/:*?"<>|\x00-\x1f]+\.(?i:jpe?g|png|bmp|gif)\z`)
)

func (p *process) originalPath(sid string) string { return p.state + `\` + sid + ".reg" }

// readOriginal reads what is kept of a user; what is too large to be ours counts for nothing.
func (p *process) readOriginal(sid string) (original, error) {
	var o original
	path := p.originalPath(sid)
	if n, err := p.m.length(path); err != nil || n > maxOriginal {
		return o, nil
	}
	data, err := p.readFile(path)
	if err != nil {
		return o, err
	}
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(fileText(data)), "\n") {
		if m := keptState.FindStringSubmatch(line); m != nil {
			o.state = m[1]
		}
		if m := keptData.FindStringSubmatch(line); m != nil && slices.Contains(valueNames, m[1]) {
			o.keep(m[1], escaped.ReplaceAllString(m[2], "$1"))
		}
	}
	return o, nil
}

// keep sets a value; one that is named twice keeps its first place.
func (o *original) keep(name, data string) {
	if i := slices.IndexFunc(o.values, func(v keptValue) bool { return v.name == name }); i >= 0 {
		o.values[i].data = data
		return
	}
	o.values = append(o.values, keptValue{name, data})
}

// fileText is the text of a file as .NET reads it: UTF-8, unless it begins with another byte order mark.
func fileText(b []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return strings.ToValidUTF8(string(bytes.TrimPrefix(b, []byte{0xef, 0xbb, 0xbf})), "\ufffd")
	}
	var units []uint16
	for b = b[2:]; len(b) > 1; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// plain tells whether data is the path of a picture on a drive: no share, no device, no stream.
func plain(data string) bool {
	return plainForm.MatchString(data) && len(utf16.Encode([]rune(data[:strings.LastIndexByte(data, '.')]))) <= len(`C:\`)+250
}

// ours tells whether a value names a file of ours of this user.
func (p *process) ours(sid, data string) bool {
	_, is := cutFold(data, p.pictures+`\`+sid+`\`)
	return is
}

// otherFile tells whether data names a file of this computer that is not ours: a plain path, and no link on it.
func (p *process) otherFile(sid, data string) bool {
	if !plain(data) || p.ours(sid, data) {
		return false
	}
	parts := strings.Split(data, `\`)
	for i := 2; i <= len(parts); i++ {
		if attrs, err := p.m.attributes(strings.Join(parts[:i], `\`)); err != nil || attrs&AttrReparsePoint != 0 {
			return false
		}
	}
	return p.m.fileExists(data)
}

// saveOriginal keeps what the user has before we write, as a file that regedit can import.
func (p *process) saveOriginal(ctx context.Context, f []string) (object, error) {
	if len(f) != 3 || !isSID(f[1]) || !stateForm.MatchString(f[2]) {
		return nil, errInput
	}
	sid, state := f[1], f[2]
	if err := p.safePath(ctx, p.state, ""); err != nil {
		return nil, err
	}
	read, err := p.expect(sid, state)
	if err != nil {
		return nil, err
	}
	for _, v := range read.values {
		if p.ours(sid, v.text()) {
			return nil, failure{"conflict", 0, "ours", v.name + " names a file of ours"}
		}
	}
	p.where = "original"
	kept, err := p.readOriginal(sid)
	if err == nil && kept.state != state {
		err = p.writeStateFile(ctx, p.originalPath(sid), read.reg(sid))
	}
	return object{{"sid", sid}, {"state", state}}, err
}

// reg is the file that regedit imports.
func (a account) reg(sid string) []byte {
	key := `HKEY_LOCAL_MACHINE` + strings.TrimPrefix(userKey(sid), hiveHKLM)
	lines := []string{"Windows Registry Editor Version 5.00", "; " + sid + " before photopush: " + a.state, ""}
	if a.state == "absent" {
		lines = append(lines, "[-"+key+"]")
	} else {
		lines = append(lines, "["+key+"]")
		for _, name := range valueNames {
			lines = append(lines, `"`+name+`"=`+a.regData(name))
		}
	}
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(strings.Join(lines, "\r\n") + "\r\n")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// regData is the text of a value that Windows reads; - takes one away that Windows does not read, or that is not there.
func (a account) regData(name string) string {
	for _, v := range a.values {
		control := strings.ContainsFunc(v.text(), func(r rune) bool { return r < ' ' })
		if v.name == name && v.kind == "sz" && !control {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.text()) + `"`
		}
	}
	return "-"
}
