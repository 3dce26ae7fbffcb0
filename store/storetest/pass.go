package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

func passMarksMissing(s *suite) {
	s.company(3)
	s.wait(time.Hour)
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	renamed := user(2)
	renamed.AccountName, renamed.Digest, renamed.PhotoReason, renamed.PhotoDetail = "smith", "", photopush.BadPhoto, "not\na JPEG"
	moved := workstation(2)
	moved.Host = "MOVED.corp.example"
	s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{user(1), renamed}))
	s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(1), moved}))
	users, workstations, err := s.EndPass(s.ctx, domain, pass, photopush.Bookmark{Place: []byte("place")})
	s.ok(err)
	s.same("gone", [2]int{users, workstations}, [2]int{1, 1})

	found, err := s.Users(s.ctx, []photopush.SID{sid(1), sid(2), sid(3), sid(9)})
	s.ok(err)
	missing := user(3)
	missing.GoneSince = s.now()
	renamed.PhotoDetail = "not a JPEG"
	s.same("users", found, map[photopush.SID]photopush.UserRecord{sid(1): user(1), sid(2): renamed, sid(3): missing})
	moved.Host = "moved.corp.example"
	s.same("moved", s.record(2).Workstation, moved)
	s.same("gone since", s.record(3).GoneSince, s.now())

	s.wait(time.Hour) // and back again
	pass, err = s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{user(3)}))
	s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(3)}))
	back, err := s.User(s.ctx, sid(3))
	s.ok(err)
	s.same("back", back, user(3))
	s.same("back", s.record(3).GoneSince, time.Time{})
}

func unfinishedPass(s *suite) {
	s.company(2)
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{user(1)}))
	other, err := s.BeginPass(s.ctx, "other.example")
	s.ok(err)
	users, workstations, err := s.EndPass(s.ctx, "other.example", other, photopush.Bookmark{})
	s.ok(err)
	s.same("gone by a pass of another domain", users+workstations, 0)
	u, err := s.User(s.ctx, sid(2))
	s.ok(err)
	s.same("missed by a pass that did not end", u.GoneSince, time.Time{})
	if _, _, err = s.EndPass(s.ctx, "other.example", pass, photopush.Bookmark{}); err == nil || !strings.Contains(err.Error(), "pass 2 is not running") {
		s.Errorf("a pass ended for another domain: %v", err)
	}
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
	if _, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{}); err == nil {
		s.Error("a pass ended twice")
	}
}

// Two processes read the same domain: what either has met since the other began is not gone.
func passesSideBySide(s *suite) {
	s.company(2)
	first, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	second, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	both := []photopush.UserRecord{user(1), user(2)}
	s.ok(s.PutUsers(s.ctx, second, both))
	s.ok(s.PutUsers(s.ctx, first, both))
	for _, pass := range []int64{second, first} {
		users, _, err := s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
		s.ok(err)
		s.same("gone", users, 0)
	}
}

func passRefusesNoAccount(s *suite) {
	for _, bad := range []photopush.SID{"", "S-1-5-18", "S-1-5-21-1-2-3-500'--", "S-1-5-21-1-2-3"} {
		u := user(1)
		u.SID = bad
		if err := s.PutUsers(s.ctx, 1, []photopush.UserRecord{user(2), u}); err == nil || photopush.ReasonOf(err) != photopush.Internal {
			s.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := s.User(s.ctx, sid(2)); !errors.Is(err, photopush.ErrUnknownUser) {
		s.Errorf("a refused batch left something: %v", err)
	}
}

func findUsers(s *suite) {
	a, b, gone := user(1), user(2), user(3)
	a.AccountName, a.UPN = "Jürgen", "Jürgen.Groß@corp.example"
	b.AccountName, b.Domain, b.UPN = "JÜRGEN", "lab_x.example", ""
	gone.AccountName, gone.UPN = "jürgen", ""
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{gone}))
	pass, err = s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{a, b}))
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
	gone.GoneSince = s.now()
	for name, found := range map[string][]photopush.UserRecord{
		"jÜrgen":                   {a, b, gone},
		"JÜRGEN.groß@CORP.example": {a},
		`corp\jürgen`:              {a, gone},
		`CORP.EXAMPLE\jürgen`:      {a, gone},
		`lab_x\jürgen`:             {b},
		`labyx\jürgen`:             nil,
		`%\jürgen`:                 nil,
		"s-1-5-21-1-2-3-1002":      {b},
		"S-1-5-21-1-2-3-9999":      nil,
		"":                         nil,
		"nobody":                   nil,
	} {
		got, err := s.FindUsers(s.ctx, name)
		if len(found) == 0 != errors.Is(err, photopush.ErrUnknownUser) {
			s.Errorf("%s: error %v", name, err)
		}
		s.same(name, got, found)
	}
	_, err = s.User(s.ctx, sid(8))
	s.same("error", err.Error(), "user S-1-5-21-1-2-3-1008: no such user")
}

func findWorkstations(s *suite) {
	s.company(2)
	twin := workstation(3)
	twin.Name, twin.Host, twin.Domain = "WS1", "ws1.other.example", "other.example"
	s.ok(s.PutWorkstations(s.ctx, 1, []photopush.Workstation{twin}))
	for name, found := range map[string][]photopush.GUID{
		"ws1": {id(1), id(3)}, "WS1$": {id(1), id(3)}, "WS1.corp.Example": {id(1)}, "ws1.other.example.": {id(3)}, "ws": nil, "": nil,
	} {
		all, err := s.FindWorkstations(s.ctx, name)
		if len(found) == 0 != errors.Is(err, photopush.ErrUnknownWorkstation) {
			s.Errorf("%s: error %v", name, err)
		}
		var got []photopush.GUID
		for _, w := range all {
			got = append(got, w.ID)
		}
		s.same(name, got, found)
	}
	_, err := s.Workstation(s.ctx, "nothing")
	s.same("error", err.Error(), "workstation nothing: no such workstation")
	s.same("new", s.record(1), photopush.WorkstationRecord{Workstation: workstation(1), Due: start})
}

func workstationsOf(s *suite) {
	s.company(5)
	off := workstation(4)
	off.Enabled = false
	s.ok(s.PutWorkstations(s.ctx, 1, []photopush.Workstation{off}))
	for _, n := range []int{2, 4, 5} {
		s.ok(s.PutSessions(s.ctx, []photopush.Session{{Workstation: id(n), User: sid(1), Source: "profile"}}))
	}
	s.set(want(3, 1, "digest1"), want(2, 1, "digest1"), want(1, 2, "digest2"))
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(1), workstation(2), workstation(3), off}))
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
	all, err := s.WorkstationsOf(s.ctx, sid(1))
	s.ok(err)
	var got []photopush.GUID
	for _, w := range all {
		got = append(got, w.ID)
	}
	s.same("workstations", got, []photopush.GUID{id(2), id(3)})
}
