package lab

import (
	"fmt"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

// A Judgement is what all workstations show, judged as Windows would see it.
type Judgement struct {
	Checked int      // workstations, those that are off too
	Broken  []string // values that name no complete picture of the right person and size, a line each
	shown   map[place]simwin.Shown
}

type place struct {
	workstation photopush.GUID
	user        photopush.SID
}

// Judge looks at every value and every picture of every workstation.
func (c *Company) Judge() Judgement {
	j := Judgement{shown: map[place]simwin.Shown{}}
	checker := simwin.NewChecker()
	for _, w := range c.Workstations {
		verdict := checker.Check(w.Machine, func(sid photopush.SID) (uint32, bool) { return c.expected(w, sid) })
		j.Checked++
		for _, f := range verdict.Broken {
			j.Broken = append(j.Broken, fmt.Sprintf("%s %s", w.Host, f))
		}
		for _, s := range verdict.Users {
			j.shown[place{w.ID, s.SID}] = s
		}
	}
	return j
}

// expected is the number that a user's picture should show, and whether it should be ours.
func (c *Company) expected(w *Workstation, sid photopush.SID) (uint32, bool) {
	p := c.person(sid)
	if p == nil {
		return 0, false
	}
	return p.Number, p.Photo == GoodPhoto && w.Oddity != Policy && w.Oddity != Off
}

// Shows tells whether the workstation shows the user, in every size, the picture set of that digest, and in it his own number.
func (j Judgement) Shows(workstation photopush.GUID, user photopush.SID, digest string) bool {
	s, ok := j.shown[place{workstation, user}]
	return ok && s.Ours && s.Complete && s.Expected && s.Digest == digest
}

// Figures are what the far end counted of all visits.
type Figures struct {
	RequestsFirst int // most requests of a workstation's first visit
	RequestsKnown int // most requests of any later visit
	Connections   int // most connections of one visit
	Processes     int // most processes of one visit
	Visits        int
	AtOnce        int // most visits of one workstation at the same time
	FailedLogons  int
	Writes        int // registry values, keys, files and folders written or deleted
}

// Figures adds up what the workstations counted.
func (c *Company) Figures() Figures {
	var f Figures
	for _, w := range c.Workstations {
		s := w.Server.Stats()
		for i, v := range s.Visits {
			if i == 0 {
				f.RequestsFirst = max(f.RequestsFirst, v.Requests)
			} else {
				f.RequestsKnown = max(f.RequestsKnown, v.Requests)
			}
		}
		f.Connections, f.Processes = max(f.Connections, s.MaxConnections()), max(f.Processes, s.MaxProcesses())
		f.Visits += len(s.Visits)
		f.AtOnce = max(f.AtOnce, s.MaxInFlight)
		for _, n := range s.FailedLogons {
			f.FailedLogons += n
		}
		f.Writes += w.Machine.Counters().Writes()
	}
	return f
}
