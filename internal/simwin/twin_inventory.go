package simwin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Bounds of an inventory, docs/script.md.
const (
	maxSIDs  = 1000
	maxFiles = 100
	maxData  = 520 // UTF-16 code units of a value
	maxText  = 260 // UTF-16 code units of a fact
	maxACL   = 8000
)

// inventory is what the workstation says of itself.
func (p *process) inventory(ctx context.Context, f []string) (object, error) {
	if len(f) != 1 {
		return nil, errInput
	}
	p.where = "system"
	system, err := p.system()
	if err != nil {
		return nil, err
	}
	profiles, err := p.profiles()
	if err != nil {
		return nil, err
	}
	p.where = "users"
	users, err := p.users(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Concat(system, object{{"profiles", profiles}}, users, object{{"truncated", p.truncated}}), nil
}

func (p *process) system() (object, error) {
	r := reader{m: p.m}
	joins := r.subkeys(joinInfoKey)
	system := object{
		{"version", 2}, {"ps", p.m.powerShell}, {"net", r.number(frameworkKey, "Release")},
		{"build", r.number(currentVersionNT, "CurrentBuildNumber")}, {"ubr", r.number(currentVersionNT, "UBR")},
		{"display", r.text(currentVersionNT, "DisplayVersion")}, {"edition", r.text(currentVersionNT, "EditionID")},
		{"type", r.text(currentVersionNT, "InstallationType")}, {"installed", r.number(currentVersionNT, "InstallDate")},
		{"machine", r.text(cryptographyKey, "MachineGuid")}, {"domain", r.text(tcpipKey, "Domain")}, {"entra", len(joins) > 0},
		{"program_files", strings.TrimSuffix(p.home, `\photopush`)}, {"free", p.freeBytes()},
		{"default_tile", r.number(policyKey, "UseDefaultTile") != 0},
	}
	return system, r.err
}

// freeBytes is the free space where our folder lies; there is no drive here but C:.
func (p *process) freeBytes() int64 {
	if fold(p.home[:1]) != "C" {
		return -1
	}
	return p.m.freeBytes()
}

// A reader reads facts of the registry, and keeps the first exception.
type reader struct {
	m   *Machine
	err error
}

// value is RegistryKey.GetValue; the zero value when there is no such key or value.
func (r *reader) value(key, name string) RegistryValue {
	h, err := r.m.openKey(key, keyRead)
	if r.err = errors.Join(r.err, err); h == nil {
		return RegistryValue{}
	}
	v, _, err := r.m.getValue(h, name)
	r.err = errors.Join(r.err, err)
	return v
}

func (r *reader) text(key, name string) []uint16 {
	v := r.value(key, name)
	switch v.Type {
	case RegSZ:
		return cut(v.units(), maxText)
	case RegExpandSZ:
		return cut(utf16.Encode([]rune(expand(string(utf16.Decode(v.units()))))), maxText)
	}
	return nil
}

// number is a DWORD, or a text of at most nine digits; 0 for anything else.
func (r *reader) number(key, name string) uint32 {
	v := r.value(key, name)
	if n, ok := v.DWord(); ok {
		return n
	}
	text := string(utf16.Decode(r.text(key, name)))
	if len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0 // an empty text
	}
	return uint32(n)
}

func (r *reader) subkeys(key string) []string {
	h, err := r.m.openKey(key, keyRead)
	if r.err = errors.Join(r.err, err); h == nil {
		return nil
	}
	names, err := r.m.subkeyNames(h)
	r.err = errors.Join(r.err, err)
	return names
}

// fileTime puts a FILETIME together out of two DWORDs.
func (r *reader) fileTime(key, name string) uint64 {
	return uint64(r.number(key, name+"High"))<<32 | uint64(r.number(key, name+"Low"))
}

func cut(units []uint16, most int) []uint16 { return units[:min(len(units), most)] }

// expand is ExpandEnvironmentStrings with the variables that every process of a workstation has; unknown ones stay as they are.
func expand(s string) string {
	for name, value := range map[string]string{"SystemDrive": "C:", "SystemRoot": `C:\Windows`, "windir": `C:\Windows`,
		"ProgramFiles": `C:\Program Files`, "ProgramW6432": `C:\Program Files`, "ProgramData": `C:\ProgramData`, "PUBLIC": publicFolder} {
		token := "%" + fold(name) + "%"
		for i := strings.Index(fold(s), token); i >= 0; i = strings.Index(fold(s), token) {
			s = s[:i] + value + s[i+len(token):]
		}
	}
	return s
}

// selectSIDs keeps the first 1,000 of the names that are SIDs of accounts, each once, and sorts them.
func (p *process) selectSIDs(names []string) []string {
	sids := map[string]bool{}
	for _, name := range names {
		sid := strings.ToUpper(name)
		switch {
		case !isSID(sid):
		case len(sids) < maxSIDs:
			sids[sid] = true
		default:
			p.truncated = true
		}
	}
	return slices.Sorted(maps.Keys(sids))
}

func (p *process) profiles() ([]object, error) {
	r := reader{m: p.m}
	loaded := r.subkeys(hiveHKU)
	sids := p.selectSIDs(r.subkeys(profileListKey))
	list := []object{}
	for _, sid := range sids {
		list = append(list, p.profile(sid, contains(loaded, sid)))
	}
	return list, r.err
}

// profile is one profile; of one that cannot be read, what can be.
func (p *process) profile(sid string, loaded bool) object {
	key := profileListKey + `\` + sid
	times, hive := reader{m: p.m}, reader{m: p.m}
	load, unload := times.fileTime(key, "LocalProfileLoadTime"), times.fileTime(key, "LocalProfileUnloadTime")
	if times.err != nil {
		load, unload = 0, 0
	}
	interactive := contains(hive.subkeys(hiveHKU+`\`+sid), volatileKey) && times.err == nil
	return object{{"sid", sid}, {"loaded", loaded}, {"interactive", interactive}, {"load", load}, {"unload", unload}}
}

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
