package simwin

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/winrm"
)

const profilesWQL = "SELECT SID, Loaded FROM Win32_UserProfile"

// profiled is a workstation where a hundred people have signed in.
func profiled(t *testing.T, change func(*Options)) (*Server, *Machine) {
	t.Helper()
	m := NewMachine(MachineOptions{})
	for i := range 100 {
		seen := time.Date(2026, 1, 2, 3, 4, i%60, 0, time.UTC)
		m.AddProfile(UserProfile{SID: photopush.SID(fmt.Sprintf("S-1-5-21-1-2-3-%d", 1000+i)), Name: fmt.Sprintf("u%d&", i), Loaded: i == 7, Load: seen.Add(-time.Hour), Unload: seen})
	}
	return start(t, echo, func(o *Options) {
		o.WMI = m
		if change != nil {
			change(o)
		}
	}), m
}

// TestUserProfilesOverNTLM: our client asks WMI on a sealed connection, in three requests, two of them to sign in.
func TestUserProfilesOverNTLM(t *testing.T) {
	s, _ := profiled(t, func(o *Options) { plainHTTP(o); withNTLM(t, o); o.WMIDenied = []string{`CORP\svc`} })
	ask := func(user, password string) ([]winrm.UserProfile, error) {
		ch, err := ntlmClient(t, s, user, password).Dial(t.Context(), ws1)
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		return winrm.UserProfiles(t.Context(), ch)
	}
	got, err := ask("admin", "right")
	if err != nil || len(got) != 100 {
		t.Fatalf("%d profiles, %v", len(got), err)
	}
	want := winrm.UserProfile{SID: "S-1-5-21-1-2-3-1007", Loaded: true, LastUse: time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC), Path: `C:\Users\u7&`}
	if !slices.Contains(got, want) {
		t.Errorf("no %+v", want)
	}
	if n := s.Stats().Requests; n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	if _, err := ask(`CORP\svc`, "domain"); photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(err.Error(), "Remote Enable") {
		t.Errorf("without rights: %v", err)
	}
}

// enumeration asks WMI by messages of the test's own.
func (c *client) enumeration(status int, action, body string) *element {
	c.t.Helper()
	return c.post(status, strings.Replace(c.envelope(action, "", body), resourceCmd, resourceWMI+"root/cimv2/*", 1))
}

func enumerateBody(more, wql string) string {
	return `<wsen:Enumerate xmlns:wsen="` + nsEnum + `">` + more + `<wsman:Filter Dialect="` + dialectWQL + `">` + wql + `</wsman:Filter></wsen:Enumerate>`
}

func withContext(name, context, more string) string {
	return `<wsen:` + name + ` xmlns:wsen="` + nsEnum + `"><wsen:EnumerationContext>` + context + `</wsen:EnumerationContext>` + more + `</wsen:` + name + `>`
}

// told reads what an answer holds: the context, how many instances, and whether that was all.
func told(root *element, space string) (context string, count int, end bool) {
	b := bodyOf(root)
	if items := b.child(space, "Items"); items != nil {
		count = len(items.kids)
	}
	return b.child(nsEnum, "EnumerationContext").value(), count, b.child(space, "EndOfSequence") != nil
}

func TestEnumerationInPages(t *testing.T) {
	s, _ := profiled(t, nil)
	c := dial(t, s)
	const all = 103 // with those of services
	context, count, end := told(c.enumeration(200, actionEnumerate, enumerateBody(`<wsman:OptimizeEnumeration/><wsman:MaxElements>40</wsman:MaxElements>`, profilesWQL)), nsWSMan)
	if context == "" || count != 40 || end {
		t.Fatalf("%q, %d, %v", context, count, end)
	}
	c.maxSize = 8192
	for total := count; !end; total += count {
		if context, count, end = told(c.enumeration(200, actionPull, withContext("Pull", context, `<wsen:MaxElements>32000</wsen:MaxElements>`)), nsEnum); count == 0 {
			t.Fatal("nothing more comes")
		}
		if end && total+count != all || context == "" != end {
			t.Fatalf("%d in all, context %q, end %v", total+count, context, end)
		}
	}
	if context != "" {
		t.Error("a context is left at the end")
	}

	context, count, _ = told(c.enumeration(200, actionEnumerate, enumerateBody("", profilesWQL)), nsWSMan)
	if count != 0 {
		t.Error("instances that nobody wanted yet")
	}
	if _, count, _ = told(c.enumeration(200, actionPull, withContext("Pull", context, "")), nsEnum); count != 1 {
		t.Errorf("%d instances, want one by default", count)
	}
	other := dial(t, s)
	other.user, other.password = "other", "one"
	other.wantFaultIn(codeEnumerationContext, other.enumeration(500, actionPull, withContext("Pull", context, "")))
	c.enumeration(200, actionRelease, withContext("Release", context, ""))
	c.wantFaultIn(codeEnumerationContext, c.enumeration(500, actionRelease, withContext("Release", context, "")))
	c.wantFaultIn(codeEnumerationContext, c.enumeration(500, actionPull, withContext("Pull", context, "")))
}

func TestEnumerationIsForgotten(t *testing.T) {
	clock := NewManualClock(time.Now())
	s, _ := profiled(t, func(o *Options) { o.Clock, o.Limits.MaxOperationsPerUser = clock, 1 })
	c := dial(t, s)
	context, _, _ := told(c.enumeration(200, actionEnumerate, enumerateBody("", profilesWQL)), nsWSMan)
	c.wantFaultIn(codeMaxOperations, c.enumeration(500, actionEnumerate, enumerateBody("", profilesWQL)))
	clock.Advance(4 * time.Minute)
	c.enumeration(200, actionPull, withContext("Pull", context, ""))
	clock.Advance(4*time.Minute + time.Second)
	c.wantFaultIn(codeEnumerationContext, c.enumeration(500, actionPull, withContext("Pull", context, "")))
	c.enumeration(200, actionEnumerate, enumerateBody("", profilesWQL))
}

// An instance of its class, and a fragment of one.
func TestInstancesInXML(t *testing.T) {
	s, _ := profiled(t, nil)
	c := dial(t, s)
	const most = `<wsman:OptimizeEnumeration/><wsman:MaxElements>1</wsman:MaxElements>`
	class := resourceWMI + "root/cimv2/Win32_UserProfile"
	whole := bodyOf(c.enumeration(200, actionEnumerate, enumerateBody(most, "select * from Win32_UserProfile"))).child(nsWSMan, "Items").kids[0]
	kind := slices.ContainsFunc(whole.attrs, func(a xml.Attr) bool { return a.Name.Space == nsXSI && a.Value == "p:Win32_UserProfile_Type" })
	if !whole.is(class, "Win32_UserProfile") || !kind || whole.child(class, "SID").value() != "S-1-5-18" || len(whole.kids) != 5 || len(whole.child(class, "LastUseTime").attrs) != 1 {
		t.Errorf("%+v", whole)
	}
	part := bodyOf(c.enumeration(200, actionEnumerate, enumerateBody(most, profilesWQL))).child(nsWSMan, "Items").kids[0]
	if !part.is(nsWSMan, "XmlFragment") || len(part.kids) != 2 || part.child("", "SID").value() != "S-1-5-18" || part.child("", "Loaded").value() != "true" {
		t.Errorf("%+v", part)
	}
}

func TestFaultsOfQueries(t *testing.T) {
	s, _ := profiled(t, func(o *Options) { o.WMIDenied = []string{"Other"} })
	c := dial(t, s)
	for wql, code := range map[string]uint32{
		"SELECT * FROM Win32_Nothing": codeWMIClass, "SELECT Nothing FROM Win32_UserProfile": codeFilter, "DELETE": codeFilter,
		"SELECT * FROM Win32_UserProfile WHERE Loaded=TRUE": codeFilter, "": codeFilter,
	} {
		c.wantFaultIn(code, c.enumeration(500, actionEnumerate, enumerateBody("", wql)))
	}
	c.wantFaultIn(codeFilterDialect, c.enumeration(500, actionEnumerate, strings.Replace(enumerateBody("", profilesWQL), dialectWQL, "x", 1)))
	c.wantFaultIn(codeSchema, c.enumeration(500, actionEnumerate, `<rsp:Shell/>`))
	c.wantFaultIn(codeSchema, c.enumeration(500, actionEnumerate, enumerateBody(`<wsman:MaxElements>0</wsman:MaxElements>`, profilesWQL)))
	c.wantFaultIn(codeActionNotSupported, c.enumeration(500, actionGet, ""))
	c.wantFaultIn(codeWMIStar, c.post(500, strings.Replace(c.envelope(actionEnumerate, "", enumerateBody("", profilesWQL)), resourceCmd, resourceWMI+"root/cimv2/Win32_UserProfile", 1)))
	other := dial(t, s)
	other.user, other.password = "other", "one"
	root := other.enumeration(500, actionEnumerate, enumerateBody("", profilesWQL))
	other.wantFaultIn(codeWMIAccessDenied, root)
	if bodyOf(root).child(nsSOAP, "Detail").child(nsFault, "WSManFault").child(nsFault, "Message").child(nsFault, "ProviderFault") == nil {
		t.Error("the fault does not name WMI's provider")
	}
	none := dial(t, start(t, echo, nil))
	none.wantFaultIn(codeWMIClass, none.enumeration(500, actionEnumerate, enumerateBody("", profilesWQL)))
}

// FuzzQuery: whatever is asked, answers are XML with as many instances as there are.
func FuzzQuery(f *testing.F) {
	f.Add("root/cimv2", profilesWQL)
	f.Add("root/cimv2", "SELECT * FROM Win32_UserProfile")
	f.Add("root/<&\"", "select sid,sid from win32_userprofile")
	m := NewMachine(MachineOptions{})
	m.AddProfile(UserProfile{SID: "S-1-5-21-1-2-3-1001", Name: "a<&>\"", Load: time.Now()})
	e := &enumerations{wmi: m}
	f.Fuzz(func(t *testing.T, namespace, wql string) {
		items, fault := e.query(namespace, wql)
		if fault != nil {
			return
		}
		root, err := parseXML([]byte(`<a xmlns:w="w">` + strings.Join(items, "") + `</a>`))
		if err != nil || len(root.kids) != 4 {
			t.Fatalf("%v: %q", err, items)
		}
	})
}
