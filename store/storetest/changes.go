package storetest

import (
	"errors"
	"time"

	"github.com/photopush/photopush"
)

// read begins a pass over what changed since the bookmark, and puts what is still in scope of it.
func (s *suite) read(users []photopush.UserRecord, ws []photopush.Workstation) (pass int64, since photopush.Bookmark) {
	since, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	pass, err = s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutUsers(s.ctx, pass, users))
	s.ok(s.PutWorkstations(s.ctx, pass, ws))
	return pass, since
}

// Only what was looked at and not met is gone, and the bookmark moves with it.
func changes(s *suite) {
	none, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	s.same("bookmark of a domain that was never read", none, photopush.Bookmark{})
	s.company(4)
	s.wait(time.Hour)
	pass, since := s.read([]photopush.UserRecord{user(2)}, []photopush.Workstation{workstation(3)})
	looked := []photopush.GUID{user(1).GUID, user(2).GUID, id(3), id(4), "nobody knows it"}
	users, workstations, err := s.EndChanges(s.ctx, domain, pass, since, looked, photopush.Bookmark{Place: []byte("one"), Recipes: "recipes"})
	s.ok(err)
	s.same("gone", [2]int{users, workstations}, [2]int{1, 1})
	for n, gone := range map[int]bool{1: true, 2: false, 3: false, 4: false} {
		u, err := s.User(s.ctx, sid(n))
		s.ok(err)
		s.same("user is gone", !u.GoneSince.IsZero(), gone)
	}
	s.same("gone since", s.record(4).GoneSince, s.now())
	s.same("not gone", s.record(3).GoneSince, time.Time{})

	after, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	s.same("bookmark", after, photopush.Bookmark{Place: []byte("one"), Recipes: "recipes", Complete: start, Revision: since.Revision + 1})
	if _, _, err = s.EndChanges(s.ctx, domain, pass, after, nil, photopush.Bookmark{}); err == nil {
		s.Error("a pass ended twice")
	}
	pass, since = s.read(nil, nil)
	_, _, err = s.EndChanges(s.ctx, domain, pass, since, nil, photopush.Bookmark{})
	s.ok(err)
	lost, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	s.same("bookmark without a place", lost.Place, []byte(nil))
	pass, _ = s.read(nil, nil)
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{Place: []byte("two")})
	s.ok(err)
	complete, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	s.same("bookmark", complete, photopush.Bookmark{Place: []byte("two"), Complete: s.now(), Revision: lost.Revision + 1})
}

// Who has been overtaken stores neither who is gone nor where he was; and everything is to be read, for what he has put may be older than what was there.
func changesOvertaken(s *suite) {
	s.company(2)
	slow, since := s.read(nil, nil)
	quick, same := s.read([]photopush.UserRecord{user(1)}, nil)
	_, _, err := s.EndChanges(s.ctx, domain, quick, same, []photopush.GUID{user(1).GUID}, photopush.Bookmark{Place: []byte("quick"), Recipes: "recipes"})
	s.ok(err)
	_, _, err = s.EndChanges(s.ctx, domain, slow, since, []photopush.GUID{user(1).GUID, user(2).GUID}, photopush.Bookmark{Place: []byte("slow"), Recipes: "recipes"})
	if !errors.Is(err, photopush.ErrOvertaken) {
		s.Errorf("error %v", err)
	}
	u, err := s.User(s.ctx, sid(2))
	s.ok(err)
	s.same("gone since", u.GoneSince, time.Time{})
	b, err := s.Bookmark(s.ctx, domain)
	s.ok(err)
	s.same("place", b.Place, []byte(nil))
	again, now := s.read([]photopush.UserRecord{user(1)}, nil)
	_, _, err = s.EndChanges(s.ctx, domain, again, now, nil, photopush.Bookmark{Place: []byte("again")})
	s.ok(err)
}

// Users of a domain, and those of them whose photo could not be judged, without whoever is gone.
func usersOfDomain(s *suite) {
	s.company(4)
	s.wait(time.Hour)
	odd, bad := user(1), user(2)
	odd.Digest, odd.PhotoReason, odd.Recipe = "", photopush.Internal, "r2"
	odd.Photo = photopush.PhotoFacts{Source: "jpegPhoto", Format: "PNG", Width: 640, Height: 480, Bytes: 12345}
	odd.PhotoFiles = "0123456789abcdef"
	bad.Digest, bad.PhotoReason = "", photopush.BadPhoto
	foreign, lost := user(5), user(3)
	foreign.Domain, lost.Digest, lost.PhotoReason = "other.example", "", photopush.Internal
	s.ok(s.PutUsers(s.ctx, 0, []photopush.UserRecord{lost, foreign}))
	pass, since := s.read([]photopush.UserRecord{odd, bad}, nil)
	_, _, err := s.EndChanges(s.ctx, domain, pass, since, []photopush.GUID{lost.GUID}, photopush.Bookmark{})
	s.ok(err)
	found := map[photopush.SID]photopush.UserRecord{}
	for u, err := range s.UsersOf(s.ctx, domain) {
		s.ok(err)
		found[u.SID] = u
	}
	s.same("users", found, map[photopush.SID]photopush.UserRecord{sid(1): odd, sid(2): bad, sid(4): user(4)})
	for range s.UsersOf(s.ctx, domain) {
		break
	}
	unjudged, err := s.Unjudged(s.ctx, domain)
	s.ok(err)
	s.same("unjudged", unjudged, []photopush.GUID{odd.GUID})
}
