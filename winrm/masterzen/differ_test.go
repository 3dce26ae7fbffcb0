//go:build linux

package masterzen

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/photo"
	visits "github.com/photopush/photopush/visit"
	"github.com/photopush/photopush/winrm"
)

// An engine is one of the two ways to open a session.
type engine func(ctx context.Context, w photopush.Workstation) (visits.Session, error)

func (e engine) Open(ctx context.Context, w photopush.Workstation) (visits.Session, error) {
	return e(ctx, w)
}

// open makes a Session of a nil pointer a nil one.
func open[S visits.Session](f func(context.Context, photopush.Workstation) (S, error)) engine {
	return func(ctx context.Context, w photopush.Workstation) (visits.Session, error) {
		s, err := f(ctx, w)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// people want pictures: the set of each, by SID. It is Pictures and Planner.
type people map[photopush.SID]*photo.Set

func (p people) Set(_ context.Context, user photopush.SID, _ string) (*photo.Set, error) {
	return p[user], nil
}

func (p people) Pairs(_ context.Context, w photopush.Workstation, inv *photopush.Inventory) ([]photopush.Pair, error) {
	var pairs []photopush.Pair
	for _, profile := range inv.Profiles {
		if set := p[profile.SID]; set != nil {
			pairs = append(pairs, photopush.Pair{Workstation: w.ID, User: profile.SID, Want: photopush.Want(set.Digest)})
		}
	}
	return pairs, nil
}

func (people) KeepOriginals(context.Context, []photopush.Pair) error { return nil }

func sid(n int) photopush.SID {
	return photopush.SID(fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1100+n))
}

func (p people) photo(t *testing.T, n int, number uint32, side int) {
	t.Helper()
	set, err := photo.Render(badge.JPEG(number, side, side, 85), photo.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	p[sid(n)] = set
}

// A side is one workstation and the engine that visits it.
type side struct {
	machine *simwin.Machine
	server  *simwin.Server
	engine  engine
	known   *photopush.Inventory
}

// visit makes one visit, and keeps what it learnt for the next.
func (s *side) visit(t *testing.T, p people) photopush.Outcome {
	t.Helper()
	v := visits.Visitor{Remote: s.engine, Pictures: p, Planner: p, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	out := v.Visit(t.Context(), photopush.Visit{Workstation: testWorkstation, Inventory: s.known})
	if out.Inventory != nil {
		s.known = out.Inventory
	}
	return out
}

// TestSameWorkstations pushes the same pictures through both engines. After every visit both workstations are the same to the last value, file
// and descriptor, and so is what the visits say.
func TestSameWorkstations(t *testing.T) {
	r := newRealm(t)
	sides := make([]*side, 2)
	for i := range sides {
		m := simwin.NewMachine(simwin.MachineOptions{})
		s := &side{machine: m, server: r.workstation(t, m, nil)}
		for n := range 4 {
			m.AddProfile(simwin.UserProfile{SID: sid(n), Name: fmt.Sprint("user", n), Load: time.Date(2026, 3, 1, 8, 0, n, 0, time.UTC)})
		}
		m.AddWindowsPicture(sid(1), 77)
		ours, err := winrm.New(r.config, r.options(t, s.server.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ours.Close() })
		s.engine = open(ours.Open)
		if i == 1 {
			s.engine = open(r.client(t, s.server.Addr(), nil).Open)
		}
		sides[i] = s
	}
	p := people{}
	for _, step := range []struct {
		name   string
		change func()
		pushed int // users whose pictures are put there
	}{
		{"one user", func() { p.photo(t, 0, 1000, 96) }, 1},
		{"three sizes", func() { p.photo(t, 0, 1001, 48); p.photo(t, 1, 1002, 448); p.photo(t, 2, 1003, 1200) }, 3},
		{"nothing to do", func() {}, 0},
		{"another photo", func() { p.photo(t, 2, 1004, 640) }, 1},
		{"a damaged value", func() {
			for _, s := range sides {
				s.machine.DeleteValue(`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\`+string(sid(1)), "Image96")
				s.known = nil
			}
		}, 1},
		{"denied", func() {
			for _, s := range sides {
				key := `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\` + string(sid(3))
				s.machine.CreateKey(key)
				if err := s.machine.SecureKey(key, "O:SYG:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)"); err != nil {
					t.Fatal(err)
				}
				s.known = nil
			}
			p.photo(t, 3, 1005, 96)
		}, 0},
	} {
		step.change()
		before := sides[0].machine.Snapshot()
		var outs [2]photopush.Outcome
		for i, s := range sides {
			outs[i] = s.visit(t, p)
		}
		if diff := sides[0].machine.Snapshot().Diff(sides[1].machine.Snapshot()); len(diff) > 0 {
			t.Errorf("%s: the workstations differ: %v", step.name, diff)
		}
		if changed := !before.Equal(sides[0].machine.Snapshot()); changed != (step.name != "nothing to do") {
			t.Errorf("%s: changed %v", step.name, changed)
		}
		a, b := outs[0], outs[1]
		if len(a.Pushed) != step.pushed || !slices.Equal(a.Pushed, b.Pushed) || a.Reason != b.Reason {
			t.Errorf("%s: pushed %v and %v, with %v and %v", step.name, a.Pushed, b.Pushed, a.Err, b.Err)
		}
		for i, pair := range a.Pairs {
			if other := b.Pairs[i]; pair.User != other.User || pair.Want != other.Want || pair.Have != other.Have || pair.Reason != other.Reason || pair.Detail != other.Detail {
				t.Errorf("%s: %+v and %+v", step.name, pair, other)
			}
		}
	}
	if broken := sides[0].machine.CheckIntact().Broken; len(broken) > 0 { // the other is the same
		t.Errorf("broken: %v", broken)
	}
	if a, b := sides[0].server.Stats(), sides[1].server.Stats(); a.Connections != b.Connections || a.Processes != b.Processes || a.Requests != b.Requests {
		t.Errorf("ours took %d requests on %d connections for %d processes, masterzen's %d on %d for %d",
			a.Requests, a.Connections, a.Processes, b.Requests, b.Connections, b.Processes)
	}
}
