package doctor

import (
	"errors"
	"strings"
	"syscall"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// A walk is what is known of the steps so far. It is for one goroutine.
type walk struct {
	now    func() time.Time
	steps  map[string]Step // by name: those that were come to
	failed bool            // one of them failed
}

func newWalk(now func() time.Time) *walk { return &walk{now: now, steps: map[string]Step{}} }

// step does a step and tells how it went; the error is that of do.
func (k *walk) step(name string, do func() (detail string, err error)) error {
	begin := k.now()
	detail, err := do()
	k.tell(name, k.now().Sub(begin), detail, err)
	return err
}

// tell notes a step. The detail counts for one that went well.
func (k *walk) tell(name string, took time.Duration, detail string, err error) {
	s := Step{State: OK, Millis: took.Milliseconds(), Detail: detail}
	if err != nil {
		k.failed = true
		s.State, s.Reason = Failed, photopush.ReasonOf(err)
		s.Detail, s.Remedy = diagnose(name, err)
	}
	k.steps[name] = s
}

func (k *walk) came(name string) bool   { _, ok := k.steps[name]; return ok }
func (k *walk) passed(name string) bool { return k.steps[name].State == OK }

// all lists every step in order.
func (k *walk) all() []Step {
	list := make([]Step, 0, len(order))
	for _, name := range order {
		s, ok := k.steps[name]
		if !ok {
			s.State = NotTried
		}
		s.Name = name
		list = append(list, s)
	}
	return list
}

// diagnose tells what failed, and what to do: what the reason's sentence says, and what the error knows besides.
func diagnose(step string, err error) (detail, remedy string) {
	detail, remedy = photopush.Detail(err), photopush.ReasonOf(err).Sentence()
	if own := ownRemedy(step, err); own != "" {
		detail = strings.TrimSuffix(detail, "; "+own) // some errors end with it
		remedy += " In this case: " + own + "."
	}
	return detail, remedy
}

// ownRemedy is what to do about just this error, without a full stop; empty where the reason's sentence says it all.
func ownRemedy(step string, err error) string {
	var r interface{ Remedy() string }
	reason := photopush.ReasonOf(err)
	switch {
	case errors.As(err, &r):
		return r.Remedy()
	case step == TCP && errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused: if the machine is on, start the WinRM service there, give it a listener on that port, and let the firewall accept this server"
	case step == TCP && reason == photopush.Offline:
		return "if the machine is on, a firewall drops connections from this server to that port"
	case step == Rights && reason == photopush.Denied:
		return `let the account read HKLM\` + accountpicture.UsersKey + " there, and create subkeys in it"
	}
	return ""
}
