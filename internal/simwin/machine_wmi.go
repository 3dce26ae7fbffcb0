package simwin

import (
	"strconv"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// Instances is what WMI tells of the workstation: its Win32_UserProfile, with the properties that tell who uses it.
func (m *Machine) Instances(namespace, class string) ([]Instance, bool) {
	if !strings.EqualFold(namespace, "root/cimv2") || !strings.EqualFold(class, "Win32_UserProfile") {
		return nil, false
	}
	var list []Instance
	for _, service := range []struct{ sid, path string }{ // of every Windows
		{"S-1-5-18", `C:\Windows\system32\config\systemprofile`}, {"S-1-5-19", `C:\Windows\ServiceProfiles\LocalService`},
		{"S-1-5-20", `C:\Windows\ServiceProfiles\NetworkService`},
	} {
		list = append(list, userProfile(service.sid, service.path, true, true, time.Time{}))
	}
	loaded := map[string]bool{}
	for _, sid := range m.Subkeys(hiveHKU) {
		loaded[strings.ToUpper(sid)] = true
	}
	for _, sid := range m.Subkeys(profileListKey) {
		if !photopush.SID(sid).IsAccount() {
			continue
		}
		key := profileListKey + `\` + sid
		path := ""
		if v, ok := m.Value(key, "ProfileImagePath"); ok {
			path, _ = v.Text()
		}
		load, unload := m.fileTimeAt(key, "LocalProfileLoadTime"), m.fileTimeAt(key, "LocalProfileUnloadTime")
		if unload.After(load) {
			load = unload
		}
		list = append(list, userProfile(sid, path, loaded[strings.ToUpper(sid)], false, load))
	}
	return list, true
}

func userProfile(sid, path string, loaded, special bool, last time.Time) Instance {
	return Instance{
		{Name: "LastUseTime", Value: last.UTC().Format("2006-01-02T15:04:05.999999Z"), Null: last.IsZero(), Datetime: true},
		{Name: "Loaded", Value: strconv.FormatBool(loaded)},
		{Name: "LocalPath", Value: path, Null: path == ""},
		{Name: "SID", Value: sid},
		{Name: "Special", Value: strconv.FormatBool(special)},
	}
}

// fileTimeAt is the other direction of setFileTime; zero when there is none.
func (m *Machine) fileTimeAt(key, name string) time.Time {
	high, ok := m.Value(key, name+"High")
	low, ok2 := m.Value(key, name+"Low")
	h, okh := high.DWord()
	l, okl := low.DWord()
	if !ok || !ok2 || !okh || !okl {
		return time.Time{}
	}
	const toUnix = 11644473600
	ft := uint64(h)<<32 | uint64(l)
	return time.Unix(int64(ft/1e7)-toUnix, int64(ft%1e7)*100).UTC()
}
