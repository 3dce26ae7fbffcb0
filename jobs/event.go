package jobs

import photopush "github.com/photopush/photopush"

// A Kind is a step of a pass or a push.
type Kind int

const (
	ReadWorkstations Kind = iota // N workstations more were read from the directory
	ReadUsers                    // N users more were read
	Planned                      // the directory is read and compared; N workstations are due
	Visited                      // a visit ended
	Waiting                      // another process visits the workstation; it is waited for
)

// An Event is a step that an administrator may want to see.
type Event struct {
	Kind        Kind
	N           int
	Workstation photopush.Workstation
	Outcome     photopush.Outcome // of Visited
}

func (j *Jobs) observe(e Event) {
	if j.Observe != nil {
		j.Observe(e)
	}
}
