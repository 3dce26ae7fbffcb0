package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/report"
)

type demoCommand struct {
	Users        int    `default:"200" help:"People in the simulated directory, 1 to 5000."`
	Workstations int    `default:"50" help:"Simulated workstations, 1 to 2000."`
	Once         bool   `help:"End after the passes, instead of going on by schedule until Ctrl-C."`
	Format       string `enum:"text,json" default:"text" help:"Output: ${enum}; json is one object on standard output, and needs --once."`
}

// Help is what --help says besides the flags.
func (*demoCommand) Help() string {
	return `Starts a simulated company on this machine's loopback addresses: an Active Directory with people and photos, and workstations that answer
WinRM, some of them off, one under a policy, one with a picture of its own, a person without a photo and one with a broken photo. Then it runs
the main job on them, three times: everything is new, nothing has changed, one person has a new photo. At the end every workstation is looked at
as Windows would see it. Nothing outside this process is touched.`
}

// Validate is called after the arguments were parsed.
func (c *demoCommand) Validate() error {
	switch {
	case c.Users < 1 || c.Users > 5000:
		return fmt.Errorf("--users is %d, want 1 to 5000", c.Users)
	case c.Workstations < 1 || c.Workstations > 2000:
		return fmt.Errorf("--workstations is %d, want 1 to 2000", c.Workstations)
	case c.Format == "json" && !c.Once:
		return errors.New("--format json needs --once")
	}
	return nil
}

// A demoResult is the JSON of a demo. Requests, connections and writes were counted by the workstations.
type demoResult struct {
	Workstations        int                      `json:"workstations"`
	Users               int                      `json:"users"`
	Pushed              int                      `json:"pushed"`  // pairs of user and workstation in the first pass
	Skipped             int                      `json:"skipped"` // pairs left alone
	SkippedBy           map[photopush.Reason]int `json:"skipped_by"`
	Offline             int                      `json:"offline"` // workstations that wait until they are on
	OfflineHosts        []string                 `json:"offline_hosts"`
	Photos              report.PhotoCounts       `json:"photos"` // people, by the state of their photo in the first pass
	Failed              map[photopush.Reason]int `json:"failed"`
	PushedNewPhoto      int                      `json:"pushed_new_photo"` // pairs in the third pass
	Checked             int                      `json:"checked"`          // workstations looked at as Windows would see them
	Broken              int                      `json:"broken"`           // values that name no complete picture of the right person and size
	Disputed            int                      `json:"disputed"`         // pairs reported in step of which the workstation shows something else
	RequestsFirstVisit  int                      `json:"requests_first_visit"`
	RequestsKnownVisit  int                      `json:"requests_known_visit"`
	ConnectionsPerVisit int                      `json:"connections_per_visit"`
	WritesSecondPass    int                      `json:"writes_second_pass"`
}

// A demo is one under way.
type demo struct {
	*app
	company *lab.Company
	parts   *parts
	out     io.Writer // for people; discards with --format json
	result  demoResult
}

func (c *demoCommand) Run(ctx context.Context, a *app) (err error) {
	dir, err := os.MkdirTemp("", "photopush-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{app: a, out: a.Stdout}
	if c.Format == "json" {
		d.out = io.Discard
	}
	fmt.Fprintf(d.out, "A company of %s and %s starts on this machine's loopback addresses.\n", count(c.Users, "user"), count(c.Workstations, "workstation"))
	d.company, err = lab.Start(ctx, lab.Options{Dir: dir, Users: c.Users, Workstations: c.Workstations, Log: a.Log})
	if err != nil {
		return err
	}
	defer d.company.Close()
	a.ConfigFile = d.company.ConfigFile
	if d.parts, err = a.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.parts.Close()) }()
	if err := d.passes(ctx); err != nil {
		return err
	}
	if err := d.judge(ctx); err != nil {
		return err
	}
	d.tell()
	if c.Format == "json" {
		err = writeJSON(a.Stdout, d.result)
	}
	if err == nil && d.result.Broken+d.result.Disputed > 0 {
		err = errors.New("a simulated workstation shows something else than was reported")
	}
	if err != nil || c.Once {
		return err
	}
	return d.goOn(ctx)
}

// passes runs the three passes.
func (d *demo) passes(ctx context.Context) error {
	first, err := d.run(ctx, "First pass: everything is new.")
	if err != nil {
		return err
	}
	if err := d.table(ctx); err != nil {
		return err
	}
	photos, err := d.photos(ctx)
	if err != nil {
		return err
	}
	before := d.company.Figures().Writes
	if _, err := d.run(ctx, "Second pass: nothing has changed."); err != nil {
		return err
	}
	writes := d.company.Figures().Writes - before
	third, err := d.newPhoto(ctx)
	if err != nil {
		return err
	}
	f := d.company.Figures()
	d.result = demoResult{
		Workstations: len(d.company.Workstations), Users: len(d.company.People),
		Pushed: first.Pushed, SkippedBy: notNil(first.Skipped), Offline: len(first.Offline), Failed: notNil(first.Failed),
		OfflineHosts: []string{}, Photos: photos, PushedNewPhoto: third.Pushed,
		RequestsFirstVisit: f.RequestsFirst, RequestsKnownVisit: f.RequestsKnown, ConnectionsPerVisit: f.Connections, WritesSecondPass: writes,
	}
	for _, n := range first.Skipped {
		d.result.Skipped += n
	}
	for _, w := range first.Offline {
		d.result.OfflineHosts = append(d.result.OfflineHosts, w.Host)
	}
	slices.Sort(d.result.OfflineHosts)
	return nil
}

func (d *demo) run(ctx context.Context, title string) (*jobs.Tally, error) {
	fmt.Fprintf(d.out, "\n%s\n", title)
	started := time.Now()
	tally, err := d.pass(ctx, d.parts.jobs, jobs.PassRequest{})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.out, "%s visited, %s pushed, %d off, in %.1f s\n", count(tally.Visited, "workstation"), count(tally.Pushed, "picture"), len(tally.Offline), time.Since(started).Seconds())
	return tally, nil
}

// newPhoto gives somebody a new photo, and runs a pass.
func (d *demo) newPhoto(ctx context.Context) (*jobs.Tally, error) {
	p := d.company.People[0]
	if err := d.company.NewPhoto(p, p.Number+100_000); err != nil {
		return nil, err
	}
	return d.run(ctx, fmt.Sprintf("Third pass: %s has a new photo.", p.Account))
}

// table prints what is stale.
func (d *demo) table(ctx context.Context) error {
	r, err := report.Make(report.Material{Statuses: d.parts.store.Statuses(ctx)}, report.Options{Now: time.Now()})
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	return r.Text(d.out, width(d.app))
}

// photos prints who has a photo, in a line.
func (d *demo) photos(ctx context.Context) (report.PhotoCounts, error) {
	sum, err := (&report.Photos{People: d.parts.people(ctx)}).Summary()
	fmt.Fprintf(d.out, "\nPhotos in the directory: %s.\n", sum)
	return sum.States, err
}

// judge asks every workstation what it shows, and compares it with what is stored.
func (d *demo) judge(ctx context.Context) error {
	j := d.company.Judge()
	d.result.Checked, d.result.Broken = j.Checked, len(j.Broken)
	for _, b := range j.Broken {
		fmt.Fprintf(d.Stderr, "photopush: broken: %s\n", b)
	}
	for s, err := range d.parts.store.Statuses(ctx) {
		if err != nil {
			return err
		}
		p := s.Pair
		if p.Want.Digest() == "" || !p.InStep() || j.Shows(p.Workstation, p.User, p.Have) {
			continue
		}
		d.result.Disputed++
		fmt.Fprintf(d.Stderr, "photopush: disputed: %s %s\n", p.Workstation, p.User)
	}
	return nil
}

// tell prints the last lines.
func (d *demo) tell() {
	r := d.result
	fmt.Fprintf(d.out, "\nPushed: %s of user and workstation, and %d after a new photo.\n", count(r.Pushed, "pair"), r.PushedNewPhoto)
	fmt.Fprintf(d.out, "Skipped: %d%s.\n", r.Skipped, inBrackets(r.SkippedBy))
	fmt.Fprintf(d.out, "Failed: %d%s.\n", sum(r.Failed), inBrackets(r.Failed))
	fmt.Fprintf(d.out, "Waiting because they are off: %s%s.\n", count(r.Offline, "workstation"), colon(r.OfflineHosts))
	fmt.Fprintf(d.out, "Counted by the workstations: at most %d requests in a first visit and %d in a later one, %d TCP connection per visit, %d writes in the second pass.\n",
		r.RequestsFirstVisit, r.RequestsKnownVisit, r.ConnectionsPerVisit, r.WritesSecondPass)
	fmt.Fprintf(d.out, "Every workstation was checked as Windows would see it: %d checked, %d broken values, %d disputed pairs.\n", r.Checked, r.Broken, r.Disputed)
}

func sum(m map[photopush.Reason]int) int {
	n := 0
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

func inBrackets(m map[photopush.Reason]int) string {
	if len(m) == 0 {
		return ""
	}
	return " (" + byReason(m) + ")"
}

func colon(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ": " + someOf(names, 8)
}

// goOn serves by a schedule of every minute; each minute somebody gets a new photo.
func (d *demo) goOn(ctx context.Context) error {
	d.parts.jobs.Config.Schedule = "* * * * *"
	d.parts.jobs.Observe = func(e jobs.Event) {
		if e.Kind == jobs.Visited && len(e.Outcome.Pushed) > 0 {
			fmt.Fprintf(d.out, "%s %s: %s pushed\n", time.Now().Format(time.TimeOnly), e.Workstation.Host, count(len(e.Outcome.Pushed), "picture"))
		}
	}
	fmt.Fprintf(d.out, "\nIt goes on every minute, with a new photo for somebody each time, until Ctrl-C. In another terminal:\n  photopush --config %s stale\n  photopush --config %s push u1005\n",
		d.ConfigFile, d.ConfigFile)
	ctx, stop := context.WithCancel(ctx)
	changed := make(chan error, 1)
	go func() { changed <- d.changePhotos(ctx) }()
	err := d.serve(ctx, d.parts)
	stop()
	return errors.Join(err, <-changed)
}

// changePhotos gives somebody a new photo half a minute before each pass.
func (d *demo) changePhotos(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for i := 4; ; i++ {
		p := d.company.People[i%len(d.company.People)]
		if err := d.company.NewPhoto(p, p.Number+100_000); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
