package simwin

import (
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
)

func TestPermitted(t *testing.T) {
	group := []string{"Administrator", "admin", `CORP\svc`}
	for _, k := range []struct {
		o       Options
		account string
		want    bool
	}{
		{Options{}, "anybody", true}, {Options{}, `CORP\anybody`, true},
		{Options{Administrators: []string{}}, "admin", false},
		{Options{Administrators: group}, "ADMIN", true}, {Options{Administrators: group}, "other", false},
		{Options{Administrators: group}, `corp\SVC`, true}, {Options{Administrators: group}, `CORP\admin`, false}, {Options{Administrators: group}, "svc", false},
		{Options{Administrators: group, FilterTokens: true}, "admin", false}, {Options{Administrators: group, FilterTokens: true}, "administrator", true},
		{Options{Administrators: group, FilterTokens: true}, `CORP\svc`, true}, {Options{FilterTokens: true}, "svc@ELSE.EXAMPLE", true},
		{Options{Administrators: group, FilterTokens: true, BuiltIn: "admin"}, "admin", true},
		{Options{Administrators: group, FilterTokens: true, BuiltIn: "admin"}, "Administrator", false},
		{Options{Administrators: []string{"admin"}, FilterTokens: true}, "Administrator", false},
	} {
		if k.o.BuiltIn == "" {
			k.o.BuiltIn = "Administrator"
		}
		if got := k.o.permitted(k.account); got != k.want {
			t.Errorf("%s with %q, filter %v: %v", k.account, k.o.Administrators, k.o.FilterTokens, got)
		}
	}
}

// TestNoAdministrator: whoever is none signs in with a right password, and whatever he asks for is refused by fault 5, sealed as the request was.
func TestNoAdministrator(t *testing.T) {
	s := start(t, echo, func(o *Options) {
		plainHTTP(o)
		withNTLM(t, o)
		o.Administrators, o.WMI = []string{"admin"}, NewMachine(MachineOptions{})
	})
	ch, err := ntlmClient(t, s, "other", "one").Dial(t.Context(), ws1)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	c := dial(t, s)
	create := c.envelope(actionCreate, "", `<rsp:Shell/>`)
	query := strings.ReplaceAll(c.envelope(actionEnumerate, "", `<n:Enumerate xmlns:n="`+nsEnum+`"/>`), resourceCmd, resourceWMI+"root/cimv2/*")
	for name, message := range map[string]string{
		"Create": create, "Get of the configuration": strings.ReplaceAll(c.envelope(actionGet, "", ""), resourceCmd, nsConf), "a query of WMI": query,
		"Delete of a shell that is not there": c.envelope(actionDelete, `<wsman:SelectorSet><wsman:Selector Name="ShellId">`+newID()+`</wsman:Selector></wsman:SelectorSet>`, ""),
	} {
		answer, status, err := ch.Post(t.Context(), []byte(message))
		text := string(answer)
		if err != nil || status != 500 || !strings.Contains(text, ` Code="5" `) || !strings.Contains(text, "w:AccessDenied") || !strings.Contains(text, "<f:Message>Access is denied. </f:Message>") {
			t.Errorf("%s: HTTP %d, %v: %s", name, status, err, text)
		}
	}
	if st := s.Stats(); len(st.FailedLogons) != 0 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
}

// TestTokenFilter: a visit as our client makes it, by accounts of each kind, on a workstation as Windows sets it up.
func TestTokenFilter(t *testing.T) {
	for user, k := range map[string]struct {
		password string
		policy   bool // LocalAccountTokenFilterPolicy
		denied   bool
	}{
		"admin": {"right", false, true}, `.\admin`: {"right", true, false}, "Administrator": {"built in", false, false}, `CORP\svc`: {"domain", false, false}, "other": {"one", true, true},
	} {
		s := start(t, echo, func(o *Options) {
			o.Users["Administrator"] = "built in"
			o.Administrators, o.FilterTokens = []string{"Administrator", "admin", `CORP\svc`}, !k.policy
			plainHTTP(o)
			withNTLM(t, o)
		})
		session, err := ntlmClient(t, s, user, k.password).Open(t.Context(), ws1)
		if k.denied {
			if photopush.ReasonOf(err) != photopush.Denied || len(shellOwners(s)) != 0 || len(s.Stats().FailedLogons) != 0 {
				t.Errorf("%s: %v; %+v", user, err, s.Stats())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		if err := session.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
