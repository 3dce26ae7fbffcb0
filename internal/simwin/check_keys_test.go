package simwin

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyPermissions(t *testing.T) {
	const was = "O:SYD:AI(A;;KA;;;SY)(A;;KR;;;BA)(A;ID;KR;;;BU)"
	key := userKey(string(userSID))
	change := func(text ...string) PermissionChanges {
		for i := range text {
			text[i] = string(userSID) + " " + text[i]
		}
		return PermissionChanges{Changed: text}
	}
	for name, c := range map[string]struct {
		is   string
		want PermissionChanges
	}{
		"the same":                 {was, PermissionChanges{}},
		"not marked as inheriting": {"O:SYD:(A;;KA;;;SY)(A;;KR;;;BA)(A;ID;KR;;;BU)", PermissionChanges{}},
		"another order":            {"O:SYD:(A;;KR;;;BA)(A;;KA;;;SY)(A;ID;KR;;;BU)", PermissionChanges{}},
		"in two entries":           {"O:SYD:(A;;CC;;;BA)(A;;KR;;;BA)(A;;KA;;;SY)(A;ID;KR;;;BU)", PermissionChanges{}},
		"protected":                {"O:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)(A;ID;KR;;;BU)", PermissionChanges{Protected: []string{string(userSID)}}},
		"another owner":            {"O:BAD:(A;;KA;;;SY)(A;;KR;;;BA)(A;ID;KR;;;BU)", change("was owned by S-1-5-18, now by S-1-5-32-544")},
		"a right more": {"O:SYD:(A;;KA;;;SY)(A;;0x2001b;;;BA)(A;ID;KR;;;BU)",
			change("has no longer (A;;0x20019;;;S-1-5-32-544)", "has now (A;;0x2001b;;;S-1-5-32-544)")},
		"an entry less":  {"O:SYD:(A;;KA;;;SY)(A;ID;KR;;;BU)", change("has no longer (A;;0x20019;;;S-1-5-32-544)")},
		"its own by now": {"O:SYD:(A;;KA;;;SY)(A;;KR;;;BA)(A;;KR;;;BU)", change("has no longer (A;ID;0x20019;;;S-1-5-32-545)", "has now (A;;0x20019;;;S-1-5-32-545)")},
		"open to everybody": {"O:SYD:NO_ACCESS_CONTROL", change("has no longer (A;;0xf003f;;;S-1-5-18)", "has no longer (A;;0x20019;;;S-1-5-32-544)", "has no longer (A;ID;0x20019;;;S-1-5-32-545)",
			"has now (A;OICI;0xffffffff;;;S-1-1-0)")},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			check(t, m.SecureKey(key, was))
			m.CreateKey(userKey(string(otherSID)))
			before := m.KeyPermissions()
			check(t, m.SecureKey(key, c.is))
			m.DeleteKey(userKey(string(otherSID)))
			m.CreateKey(userKey("S-1-5-21-1-1-1-1"))
			if diff := cmp.Diff(c.want, before.Changes(m.KeyPermissions())); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("no longer protected", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		check(t, m.SecureKey(pictureUsersKey, "O:SYD:P(A;;KA;;;SY)"))
		before := m.KeyPermissions()
		check(t, m.SecureKey(pictureUsersKey, "O:SYD:(A;;KA;;;SY)"))
		if got := before.Changes(m.KeyPermissions()).Changed; !slices.Equal(got, []string{"Users is no longer protected"}) {
			t.Errorf("changed %q", got)
		}
	})
}

func TestCheckState(t *testing.T) {
	m := NewMachine(MachineOptions{})
	for _, name := range []string{"lock", "S-1-5-21-1-1-1-1.reg", "S-1-5-21-1-1-1-1.reg.new", "S-1-5-21-1-1-1-1.journal", "S-1-5-21-1-1-1-2.JOURNAL.new"} {
		m.WriteFile(ourHome+`\State\`+name, []byte("x"))
	}
	state := ourHome + `\State\`
	want := Verdict{Leftover: []string{state + "S-1-5-21-1-1-1-1.reg.new", state + "S-1-5-21-1-1-1-2.JOURNAL.new"}, Journals: []string{state + "S-1-5-21-1-1-1-1.journal"}}
	if diff := cmp.Diff(want, m.Check(everybody)); diff != "" {
		t.Error(diff)
	}
}
