package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// push pushes, and returns a line for each workstation in the order they were done.
func (c *company) push(ctx context.Context, user string, workstations ...string) (lines []string, err error) {
	c.seen, c.opened = nil, map[photopush.GUID]int{}
	_, err = c.Push(ctx, PushRequest{User: user, Workstations: workstations}, func(r PushResult) {
		state := "in step"
		switch {
		case r.Err != nil:
			state = fmt.Sprintf("%s: %s", photopush.ReasonOf(r.Err), photopush.Detail(r.Err))
		case r.Pushed:
			state = "pushed"
		}
		lines = append(lines, r.Workstation.Name+" "+state)
	})
	return lines, err
}

// TestPush walks through what can be asked for.
func TestPush(t *testing.T) {
	for name, test := range map[string]struct {
		set   func(*company, *domain)
		args  string // user and workstations
		lines string
		err   string
		is    error
		opens int
	}{
		"everywhere":                {args: "u1000", lines: "WS1000 pushed|WS1001 pushed", opens: 2},
		"in step already":           {set: func(c *company, _ *domain) { c.mustPass() }, args: "u1001", lines: "WS1001 in step", opens: 1},
		"tampered with since":       {set: func(c *company, d *domain) { c.mustPass(); d.machine(1).AddWindowsPicture(d.users[1].SID, 7) }, args: "u1001", lines: "WS1001 pushed", opens: 1},
		"a new photo":               {set: func(c *company, d *domain) { c.mustPass(); d.users[1].photo(5001) }, args: "u1001", lines: "WS1001 pushed", opens: 1},
		"named, without a profile":  {args: "u1001 ws1000", lines: "WS1000 pushed", opens: 1},
		"named twice":               {args: "u1001 ws1000 ws1000.corp.example WS1000$", lines: "WS1000 pushed", opens: 1},
		"added since the last pass": {set: func(c *company, d *domain) { d.workstation() }, args: "u1001 ws1002", lines: "WS1002 pushed", opens: 1},
		"joined anew": {set: func(_ *company, d *domain) { // the old object is gone, the new one has its name
			d.workstations[0].ID = "00000000-0000-0000-0002-000000009999"
			d.c.machines[d.workstations[0].ID] = d.c.machines["00000000-0000-0000-0002-000000001000"]
			d.c.mustPass()
		}, args: "u1000 ws1000", lines: "WS1000 in step", opens: 1},
		"nobody":          {args: "u9", err: "u9 in corp.example: no such user", is: photopush.ErrUnknownUser},
		"in no inventory": {set: func(_ *company, d *domain) { d.person() }, args: "u1002", err: "no inventory shows a profile of the user", is: ErrNoWorkstation},
		"no workstation":  {args: "u1001 ws9", err: "ws9 in corp.example: no such workstation", is: photopush.ErrUnknownWorkstation},
		"gone":            {set: func(_ *company, d *domain) { d.workstations = d.workstations[1:]; d.c.mustPass() }, args: "u1000 ws1000", err: "ws1000 in corp.example: no such workstation", is: photopush.ErrUnknownWorkstation},
		"of two domains":  {set: func(c *company, _ *domain) { c.domains[1].workstations[0].Name = "WS1000"; c.mustPass() }, args: "u1001 ws1000", err: "no such workstation by just that name: ws1000 may be ws1000.corp.example or ws2000.other.example", is: photopush.ErrUnknownWorkstation},
		"one of them in use": {set: func(c *company, _ *domain) {
			w := &c.domains[1].workstations[0]
			w.Name, w.Enabled = "WS1000", false
			c.mustPass()
		}, args: "u1000 ws1000", lines: "WS1000 in step", opens: 1},
		"disabled":           {set: func(c *company, d *domain) { d.workstations[0].Enabled = false; c.mustPass() }, args: "u1000 ws1000", lines: "WS1000 out_of_scope: visit ws1000.corp.example: the computer account is disabled"},
		"user disabled":      {set: func(_ *company, d *domain) { d.users[1].Enabled = false }, args: "u1001", lines: "WS1001 out_of_scope: leave picture on ws1001.corp.example: the user's account is disabled"},
		"no photo":           {set: func(_ *company, d *domain) { d.users[1].photos = nil }, args: "u1001", lines: "WS1001 no_photo: leave picture on ws1001.corp.example: there is none"},
		"bad photo":          {set: func(_ *company, d *domain) { d.users[1].photos[0].Bytes = []byte(broken) }, args: "u1001", lines: "WS1001 bad_photo: leave picture on ws1001.corp.example: cut off"},
		"policy":             {set: func(_ *company, d *domain) { d.machine(1).SetDefaultTile(true) }, args: "u1001", lines: "WS1001 blocked_policy: leave picture on ws1001.corp.example: the policy UseDefaultTile is set", opens: 1},
		"off":                {set: func(c *company, _ *domain) { c.open = off }, args: "u1001", lines: "WS1001 offline: try it: no answer", opens: 1},
		"the other domain":   {args: "u2000", lines: "WS2000 pushed", opens: 1},
		"two of one name":    {set: func(c *company, _ *domain) { c.domains[1].users[0].AccountName = "u1001" }, args: "u1001", err: "no such user by just that name: u1001 may be u1001@corp.example or u1001@other.example", is: photopush.ErrUnknownUser},
		"one of the two":     {set: func(c *company, _ *domain) { c.domains[1].users[0].AccountName = "u1001" }, args: "u1001@other.example", lines: "WS2000 pushed", opens: 1},
		"first domain dead":  {set: func(_ *company, d *domain) { d.fail = because(photopush.Offline, "dead") }, args: "u2000 ws2000", lines: "WS2000 pushed", opens: 1},
		"dead, and unknown":  {set: func(_ *company, d *domain) { d.fail = because(photopush.Offline, "dead") }, args: "u9", err: "try it: offline: dead"},
		"dead, so who knows": {set: func(c *company, _ *domain) { c.domains[1].fail = because(photopush.Offline, "dead") }, args: "u1001 ws9", err: "try it: offline: dead"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				d := c.domain(corp)
				ada, bob := d.person(), d.person()
				d.workstation(ada)
				d.workstation(ada, bob)
				c.domain("other.example").staff(1)
				c.ok(c.learn())
				if test.set != nil {
					test.set(c, d)
				}
				args := strings.Fields(test.args)
				lines, err := c.push(t.Context(), args[0], args[1:]...)
				if got := inOrder(lines); got != test.lines {
					t.Errorf("got  %s\nwant %s", got, test.lines)
				}
				if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("got  %v\nwant %s", err, test.err)
				}
				if c.visits() != test.opens {
					t.Errorf("%d sessions, want %d", c.visits(), test.opens)
				}
				c.inStep()
			})
		})
	}
}

// learn has every workstation's inventory taken, and nothing pushed: nobody has a photo while it does.
func (c *company) learn() error {
	had := map[photopush.SID][]photopush.Photo{}
	for _, d := range c.domains {
		for _, p := range d.users {
			had[p.SID], p.photos = p.photos, nil
		}
	}
	err := c.Pass(c.Context(), PassRequest{})
	for _, d := range c.domains {
		for _, p := range d.users {
			p.photos = had[p.SID]
		}
	}
	return err
}

func inOrder(lines []string) string {
	if len(lines) == 2 && lines[0] > lines[1] {
		lines[0], lines[1] = lines[1], lines[0]
	}
	return strings.Join(lines, "|")
}

func off(context.Context, photopush.Workstation) error {
	return because(photopush.Offline, "no answer")
}

// TestPushTellsTheUsersOwnReason: what befalls others on the workstation is not his.
func TestPushTellsTheUsersOwnReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp)
		for range 3 {
			d.person()
		}
		d.workstation(d.users...)
		c.ok(c.learn())
		deny(c, d.users[0])
		for user, want := range map[string]string{"u1000": "WS1000 denied: ", "u1001": "WS1000 pushed", "u1002": "WS1000 pushed"} {
			lines, err := c.push(t.Context(), user)
			if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], want) && !(want == "WS1000 pushed" && lines[0] == "WS1000 in step") {
				t.Errorf("%v, %v, want %s", lines, err, want)
			}
		}
		deny(c, d.users[1])
		for i, p := range d.users {
			p.photo(uint32(9001 + i))
		}
		lines, err := c.push(t.Context(), "u1001") // the first failure of that visit is the other's
		if err != nil || len(lines) != 1 || !strings.Contains(lines[0], string(d.users[1].SID)) {
			t.Errorf("%v, %v", lines, err)
		}
	})
}

// deny lets administrators read somebody's values on his workstation, and not write them.
func deny(c *company, p *employee) {
	const users = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\`
	for _, m := range c.machines {
		m.CreateKey(users + string(p.SID))
		c.ok(m.SecureKey(users+string(p.SID), "O:SYG:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)"))
	}
}

// TestPushWaitsForItsTurn: it says so once, does not spin, and visits when the other is done.
func TestPushWaitsForItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		c.mustPass()
		d.users[0].photo(5001)
		other := c.another(store.Options{})
		claim, _, ok, err := other.ClaimOne(t.Context(), d.workstations[0].ID, 10*time.Minute)
		if c.ok(err); !ok {
			t.Fatal("not claimed")
		}
		type answer struct {
			lines []string
			err   error
		}
		done := make(chan answer, 1)
		go func() {
			lines, err := c.push(t.Context(), "u1000")
			done <- answer{lines, err}
		}()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if len(c.seen) != 1 || c.seen[0].Kind != Waiting || c.seen[0].Workstation.ID != d.workstations[0].ID || c.visits() != 0 {
			t.Errorf("%+v, %d visits", c.seen, c.visits())
		}
		c.ok(other.Release(t.Context(), claim))
		a := <-done
		if a.err != nil || len(a.lines) != 1 || a.lines[0] != "WS1000 pushed" {
			t.Errorf("%v, %v", a.lines, a.err)
		}
	})
}

// TestPushIsInterrupted: while it waits, and while it visits the first of many.
func TestPushIsInterrupted(t *testing.T) {
	for name, hold := range map[string]func(*company, *domain){
		"waiting": func(c *company, d *domain) {
			other := c.another(store.Options{})
			for _, w := range d.workstations {
				_, _, ok, err := other.ClaimOne(c.Context(), w.ID, time.Hour)
				if c.ok(err); !ok {
					c.Error("not claimed")
				}
			}
		},
		"visiting": func(c *company, _ *domain) {
			c.vouch(0)
			c.run = func(ctx context.Context, w photopush.Workstation, _ int) error {
				<-ctx.Done()
				return &photopush.Error{Reason: photopush.Unknown, Op: "run on", On: w.Host, Err: context.Cause(ctx)}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				d := c.domain(corp)
				p := d.person()
				for range 12 {
					d.workstation(p)
				}
				c.ok(c.learn())
				hold(c, d)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				began := time.Now()
				lines, err := c.push(ctx, "u1000")
				if !errors.Is(err, context.Canceled) || time.Since(began) > 4*time.Second {
					t.Errorf("%v after %s", err, time.Since(began))
				}
				if len(lines) > c.Config.Visits+1 {
					t.Errorf("%d lines for 4 visits at once:\n%s", len(lines), strings.Join(lines, "\n"))
				}
				for _, w := range d.workstations {
					if r := c.record(w); name == "visiting" && !r.LeaseUntil.IsZero() || r.Attempts != 0 {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

// TestPushWithAStoppedCredential asks nobody, and counts for nothing.
func TestPushWithAStoppedCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		c.ok(c.learn())
		credential, err := c.Jobs.Domains[0].RemoteLogon.credential()
		c.ok(errors.Join(err, c.db.Stop(t.Context(), credential, "rejected by ws1")))
		lines, err := c.push(t.Context(), "u1000")
		want := "WS1000 auth: use account svc-push@corp.example: svc-push@corp.example (basic) was rejected, and is not used again until its secret has changed: rejected by ws1"
		if err != nil || len(lines) != 1 || lines[0] != want || c.visits() != 0 {
			t.Errorf("%v, %v, %d sessions\nwant %s", lines, err, c.visits(), want)
		}
		if r := c.record(d.workstations[0]); r.Attempts != 0 || r.Reason != "" || !r.LeaseUntil.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}
