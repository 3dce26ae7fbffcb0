package visit_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/photo"
	"github.com/photopush/photopush/visit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Three people, in the order of their SIDs, which is the order of work.
const (
	ada  photopush.SID = "S-1-5-21-1004336348-1177238915-682003330-1101"
	bob  photopush.SID = "S-1-5-21-1004336348-1177238915-682003330-1102"
	cleo photopush.SID = "S-1-5-21-1004336348-1177238915-682003330-1103"
)

// A scene is one workstation with everything that a visit needs. It is Remote, Session, Pictures and Planner in one.
type scene struct {
	*testing.T
	machine *simwin.Machine
	w       photopush.Workstation
	sets    map[photopush.SID]*photo.Set // what the directory's photos give now
	noSet   map[photopush.SID]error
	wants   map[photopush.SID]photopush.Want
	open    error                               // of Open
	closing error                               // of Close
	pairs   error                               // of Pairs
	keep    error                               // of KeepOriginals
	before  func(run int, changes bool) error   // called before the n-th run of the scene; its error is the run's
	after   func(run int, stdout []byte) []byte // changes what a run answers
	lose    map[int]error                       // the n-th run is done, and its answer lost

	opened, closed, runs, looks, asked int
	kept                               []photopush.Pair
	writesWhenKept, meddled            int
}

func newScene(t *testing.T, people ...photopush.SID) *scene {
	s := &scene{T: t, machine: simwin.NewMachine(simwin.MachineOptions{}),
		w:    photopush.Workstation{ID: "8c7ec6d4-09b5-4d9f-a1f5-1f5a6bd0a4a1", Name: "WS1", Host: "ws1.corp.example"},
		sets: map[photopush.SID]*photo.Set{}, noSet: map[photopush.SID]error{}, wants: map[photopush.SID]photopush.Want{}, lose: map[int]error{}}
	for i, sid := range people {
		s.machine.AddProfile(simwin.UserProfile{SID: sid, Name: string(sid[len(sid)-4:]), Load: time.Now().Add(-time.Hour)})
		s.photo(sid, uint32(1001+i))
		s.want(sid)
	}
	return s
}

// photo gives somebody another photo, with a number in it; want lets a pass notice.
func (s *scene) photo(sid photopush.SID, number uint32) {
	set, err := photo.Render(badge.JPEG(number, 96, 96, 85), photo.DefaultRecipe())
	if err != nil {
		s.Fatal(err)
	}
	s.sets[sid] = set
}

func (s *scene) want(sid photopush.SID) { s.wants[sid] = photopush.Want(s.sets[sid].Digest) }

func (s *scene) visitor() *visit.Visitor {
	return &visit.Visitor{Remote: s, Pictures: s, Planner: s, Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

// visit makes one visit, with an inventory or without, and checks what holds of all.
func (s *scene) visit(ctx context.Context, inv *photopush.Inventory) photopush.Outcome {
	s.Helper()
	s.opened, s.closed, s.runs, s.looks, s.asked, s.kept = 0, 0, 0, 0, 0, nil
	o := s.visitor().Visit(ctx, photopush.Visit{Workstation: s.w, Inventory: inv})
	if s.opened != s.closed {
		s.Errorf("%d sessions were opened and %d closed", s.opened, s.closed)
	}
	if (o.Err != nil) != (o.Reason != "") {
		s.Errorf("reason %q, error %v", o.Reason, o.Err)
	}
	if o.Workstation != s.w.ID || o.Started.IsZero() || o.Finished.Before(o.Started) {
		s.Errorf("workstation %s, from %s to %s", o.Workstation, o.Started, o.Finished)
	}
	for _, f := range s.machine.CheckIntact().Broken {
		s.Errorf("broken: %s", f)
	}
	return o
}

// inStep fails unless the visit went well and every person named has the picture that is wanted, on the workstation and in the outcome.
func (s *scene) inStep(o photopush.Outcome, people ...photopush.SID) {
	s.Helper()
	for _, sid := range people {
		p := pairOf(s.T, o, sid)
		if p.Have != s.sets[sid].Digest || !p.InStep() || p.Reason != "" || p.Detail != "" {
			s.Errorf("%s: %+v, want the set %s", sid, p, s.sets[sid].Digest)
		}
		if shown, _ := s.machine.CheckIntact().Shown(sid); !shown.Complete || shown.Digest != s.sets[sid].Digest {
			s.Errorf("%s shows %+v", sid, shown)
		}
	}
}

func pairOf(t *testing.T, o photopush.Outcome, sid photopush.SID) photopush.Pair {
	t.Helper()
	i := slices.IndexFunc(o.Pairs, func(p photopush.Pair) bool { return p.User == sid })
	if i < 0 {
		t.Fatalf("no pair of %s in %+v", sid, o.Pairs)
	}
	return o.Pairs[i]
}

func (s *scene) Open(ctx context.Context, w photopush.Workstation) (visit.Session, error) {
	if w != s.w {
		s.Errorf("opens %+v", w)
	}
	if s.open != nil {
		return nil, s.open
	}
	s.opened++
	return s, ctx.Err()
}

func (s *scene) Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	s.runs++
	n := s.runs
	changes := bytes.Contains(input, []byte("\nset_values\t")) || bytes.Contains(input, []byte("\nput_file\t"))
	if !changes {
		s.looks++
	}
	if s.before != nil {
		if err := s.before(n, changes); err != nil {
			return photopush.Output{}, err
		}
	}
	var stdout, stderr bytes.Buffer
	code, err := s.machine.Run(ctx, commandLine, bytes.NewReader(input), &stdout, &stderr)
	if err == nil {
		err = s.lose[n]
	}
	if err != nil {
		return photopush.Output{}, err
	}
	out := stdout.Bytes()
	if s.after != nil {
		out = s.after(n, out)
	}
	return photopush.Output{Stdout: out, Stderr: stderr.Bytes(), ExitCode: code}, nil
}

func (s *scene) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		s.Error("the session is closed with a context that has ended")
	}
	s.closed++
	return s.closing
}

func (s *scene) Set(ctx context.Context, user photopush.SID, digest string) (*photo.Set, error) {
	s.asked++
	if err := cmp.Or(ctx.Err(), s.noSet[user]); err != nil {
		return nil, err
	}
	return s.sets[user], nil
}

// Pairs are those of the profiles that somebody wants something for.
func (s *scene) Pairs(_ context.Context, w photopush.Workstation, inv *photopush.Inventory) ([]photopush.Pair, error) {
	if s.pairs != nil {
		return nil, s.pairs
	}
	var pairs []photopush.Pair
	for _, p := range inv.Profiles {
		if want := s.wants[p.SID]; want != "" {
			pairs = append(pairs, photopush.Pair{Workstation: w.ID, User: p.SID, Want: want})
		}
	}
	return pairs, nil
}

func (s *scene) KeepOriginals(_ context.Context, pairs []photopush.Pair) error {
	s.kept = append(s.kept, pairs...)
	s.writesWhenKept = s.machine.Counters().Writes()
	return s.keep
}

// writes counts what f changes on the workstation.
func (s *scene) writes(f func()) int {
	before := s.machine.Counters().Writes()
	f()
	return s.machine.Counters().Writes() - before
}

func usersKey(sid photopush.SID) string {
	return `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\` + string(sid)
}

// meddle gives somebody another picture each time, as the user himself or another tool would.
func (s *scene) meddle(sid photopush.SID) {
	s.meddled++
	path := fmt.Sprintf(`C:\Users\Public\AccountPictures\%s\own-%d.jpg`, sid, s.meddled)
	s.machine.WriteFile(path, badge.JPEG(77, 96, 96, 85))
	for _, size := range simwin.PictureSizes {
		s.machine.SetValue(usersKey(sid), fmt.Sprintf("Image%d", size), simwin.StringValue(path))
	}
}

// deny lets administrators read somebody's values, and not write them.
func (s *scene) deny(sid photopush.SID) {
	s.machine.CreateKey(usersKey(sid))
	if err := s.machine.SecureKey(usersKey(sid), "O:SYG:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)"); err != nil {
		s.Fatal(err)
	}
}

func failure(reason photopush.Reason, cause string) error {
	return &photopush.Error{Reason: reason, Op: "open shell on", On: "ws1.corp.example", Err: errors.New(cause)}
}

// says fails unless the outcome has that reason, and its error that text.
func says(t *testing.T, o photopush.Outcome, reason photopush.Reason, text string) {
	t.Helper()
	if o.Reason != reason || o.Err == nil != (text == "") || o.Err != nil && !strings.Contains(o.Err.Error(), text) {
		t.Errorf("the visit ends with %q, %v\nwant %q, … %s …", o.Reason, o.Err, reason, text)
	}
}
