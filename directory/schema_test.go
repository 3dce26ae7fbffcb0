package directory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// unwatchable are attributes that are not known by heart, with what the schema says of them.
var unwatchable = map[string]string{
	"(nonSecurityMemberBL=*)":         "users.filter asks for nonSecurityMemberBL, whose changes no controller tells: it is a link that other objects have",
	"(parentGUID=*)":                  "users.filter asks for parentGUID, whose changes no controller tells: it is made when it is asked for",
	"(!(MSDS-GENERATIONID=*))":        "users.filter asks for MSDS-GENERATIONID, whose changes no controller tells: each controller has its own value",
	"(|(department=*)(parentGUID=*))": "users.filter asks for parentGUID, whose changes no controller tells: it is made when it is asked for",
	"(&(department=*)(manager=CN=x))": "",
	"(distinguishedName=*)":           "", // told as the name
}

func TestSchemaTellsWhatIsNotTold(t *testing.T) {
	for filter, why := range unwatchable {
		t.Run(filter, func(t *testing.T) {
			_, cfg := watched(t, methodAuto, 1)
			cfg.Users.Filter = filter
			checkBlind(t, open(t, cfg, Options{}), why)
		})
	}
}

// checkBlind asks twice for changes, and compares why everything must be read each time; empty for: only the first time.
func checkBlind(t *testing.T, d *Directory, why string) {
	t.Helper()
	k := &keeper{}
	for pass := range 2 {
		told := k.pass(t, d)
		if told.All != (why != "" || pass == 0) || why != "" && (told.Why != why || told.Next != nil) {
			t.Errorf("pass %d: all: %t, since %s\nwant %s", pass, told.All, told.Why, why)
		}
	}
}

// TestSchemaIsReadRarely counts what the schema costs.
func TestSchemaIsReadRarely(t *testing.T) {
	c, cfg := watched(t, methodAuto, 1)
	cfg.Workstations.Filter = "(description=*)"
	now := time.Now()
	d, k := open(t, cfg, Options{Now: func() time.Time { return now }}), &keeper{}
	k.pass(t, d)
	for i, test := range []struct {
		after time.Duration
		want  int // DirSync; the rootDSE and the schema
	}{{time.Minute, 1}, {keepSchema, 3}, {time.Minute, 1}} {
		now = now.Add(test.after)
		before := c.dcs[0].Counts().Searches
		k.pass(t, d)
		if n := c.dcs[0].Counts().Searches - before; n != test.want {
			t.Errorf("pass %d: %d searches, want %d", i, n, test.want)
		}
	}
}

// TestSchemaCannotBeRead keeps to what is known by heart, and says so once; later the schema is asked again.
func TestSchemaCannotBeRead(t *testing.T) {
	c, cfg := watched(t, methodAuto, 1)
	cfg.Users.Filter = "(!(parentGUID=*))"
	now, log := time.Now(), &logBuffer{}
	d, k := open(t, cfg, Options{Now: func() time.Time { return now }, Logger: log.logger()}), &keeper{}
	c.dcs[0].SetFaults(simad.Faults{Result: 50})
	blind, err := d.blindness(t.Context())
	if blind != "" || err != nil {
		t.Errorf("%q, %v", blind, err)
	}
	c.dcs[0].SetFaults(simad.Faults{})
	now = now.Add(retrySchema / 2)
	if told := k.pass(t, d); told.Next == nil {
		t.Errorf("told %+v", told)
	}
	c.dcs[0].SetFaults(simad.Faults{Result: 50})
	now = now.Add(retrySchema)
	blind, err = d.blindness(t.Context())
	if n := strings.Count(log.String(), "the schema cannot be read"); blind != "" || err != nil || n != 1 {
		t.Errorf("%q, %v, %d lines", blind, err, n)
	}
	c.dcs[0].SetFaults(simad.Faults{})
	now = now.Add(retrySchema)
	if told := k.pass(t, d); told.Next != nil || !strings.Contains(told.Why, "parentGUID") {
		t.Errorf("when it can be read: %+v", told)
	}
	c.dcs[0].SetFaults(simad.Faults{Result: 50})
	now = now.Add(keepSchema)
	if blind, err := d.blindness(t.Context()); err != nil || !strings.Contains(blind, "parentGUID") {
		t.Errorf("when it cannot be read any more: %q, %v", blind, err)
	}
	must(t, c.dcs[0].SetDown(true))
	now = now.Add(keepSchema)
	if _, err := d.Changes(t.Context(), nil); photopush.ReasonOf(err) != photopush.Offline {
		t.Errorf("without a controller: %v", err)
	}
}

// TestSchemaCutEverywhere cuts the connection at each answer of the schema: another controller is asked, and without one the pass fails.
func TestSchemaCutEverywhere(t *testing.T) {
	c, cfg := watched(t, methodAuto, 2)
	cfg.Users.Filter = "(parentGUID=*)"
	one := cfg
	one.Controllers = one.Controllers[:1]
	const answers = 5 // a bind, the rootDSE and its end, the attribute and its end
	for _, place := range []simad.Place{simad.Before, simad.Inside, simad.After} {
		for n := 1; n <= answers+1; n++ {
			cut := simad.Faults{Cut: simad.Cut{N: n, Where: place}}
			c.dcs[0].SetFaults(cut)
			if told, err := open(t, cfg, Options{}).Changes(t.Context(), nil); err != nil || told.Why != unwatchable["(parentGUID=*)"] {
				t.Errorf("cut at %d, %d: %+v, %v", n, place, told, err)
			}
			c.dcs[0].SetFaults(cut)
			told, err := open(t, one, Options{}).Changes(t.Context(), nil)
			whole := n > answers || n == answers && place == simad.After
			if whole && (err != nil || told.Why != unwatchable["(parentGUID=*)"]) || !whole && (photopush.ReasonOf(err) != photopush.Offline || told.All) {
				t.Errorf("cut at %d, %d, alone: %+v, %v", n, place, told, err)
			}
		}
	}
}

// TestNotInSchema says that an attribute of a filter is not shown.
func TestNotInSchema(t *testing.T) {
	_, cfg := watched(t, methodAuto, 1)
	cfg.Users.Filter = "(!(departmnt=Sales))"
	log := &logBuffer{}
	checkBlind(t, open(t, cfg, Options{Logger: log.logger()}), "")
	if n := strings.Count(log.String(), "the schema does not show the attribute departmnt, which users.filter asks for"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
}

// TestHostileSchema gives what the schema must not say: what cannot be read counts as not told.
func TestHostileSchema(t *testing.T) {
	for in, want := range map[[2]string]string{
		{"", ""}: "", {"2", "16"}: "", {"0", "18"}: "", {"", "-2147483632"}: "",
		{"3", "16"}: backLink, {"2147483647", ""}: backLink, {"-1", ""}: backLink,
		{"", "20"}: made, {"", "-2147483644"}: made, {"", "134217748"}: made, {"", "17"}: ownValue, {"2", "19"}: ownValue,
		{"2147483648", ""}: "what the schema says of it cannot be read", {"", "x"}: "what the schema says of it cannot be read",
		{"1e3", ""}: "what the schema says of it cannot be read", {"", strings.Repeat("1", 10_000)}: "what the schema says of it cannot be read",
	} {
		if got := hiddenBy(in[0], in[1]); got != want {
			t.Errorf("%.50q: %q, want %q", fmt.Sprint(in), got, want)
		}
	}
}
