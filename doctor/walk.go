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
	now       func() time.Time
	told      func(Step)
	cancelled func() bool     // then nothing more is told: what fails now says nothing of the workstation
	steps     map[string]Step // by name: those that were come to
	failed    bool            // one of them failed
}

// step does a step and tells how it went; the error is that of do.
func (k *walk) step(name string, do func() (detail string, err error)) error {
	begin := k.now()
	detail, err := do()
	k.tell(name, k.now().Sub(begin), detail, err)
	return err
}

// tell notes a step. The detail counts for one that went well.
func (k *walk) tell(name string, took time.Duration, detail string, err error) {
	s := Step{Name: name, State: OK, Millis: took.Milliseconds(), Detail: detail}
	if err != nil {
		s.State, s.Reason = Failed, photopush.ReasonOf(err)
		if _, ok := errors.AsType[*photopush.SecretError](err); ok {
			s.Reason = "" // none of the workstation's
		}
		s.Detail, s.Remedy = diagnose(name, err)
	}
	k.note(s)
}

// note keeps and tells a step, after those before it that were not come to.
func (k *walk) note(s Step) {
	if k.cancelled() {
		return
	}
	k.skip(s.Name)
	k.failed = k.failed || s.State == Failed
	k.steps[s.Name] = s
	k.told(s)
}

// skip tells that the steps before one were not tried, as far as they were not come to; with "", of all steps.
func (k *walk) skip(before string) {
	for _, name := range order {
		if name == before {
			return
		}
		if !k.came(name) && !k.cancelled() {
			k.steps[name] = Step{Name: name, State: NotTried}
			k.told(k.steps[name])
		}
	}
}

func (k *walk) came(name string) bool   { _, ok := k.steps[name]; return ok }
func (k *walk) passed(name string) bool { return k.steps[name].State == OK }

// all lists every step in order.
func (k *walk) all() []Step {
	list := make([]Step, 0, len(order))
	for _, name := range order {
		s, ok := k.steps[name]
		if !ok {
			s = Step{Name: name, State: NotTried}
		}
		list = append(list, s)
	}
	return list
}

// diagnose tells what failed, and what to do.
func diagnose(step string, err error) (detail, remedy string) {
	detail = photopush.Detail(err)
	var r interface{ Remedy() string }
	if errors.As(err, &r) && r.Remedy() != "" { // some errors end with it
		detail = strings.TrimSuffix(strings.TrimSuffix(detail, "; "+r.Remedy()), ": "+r.Remedy())
		return detail, photopush.Remedy(err)
	}
	if here := remedyHere(step, err); here != "" {
		return detail, here
	}
	return detail, photopush.Remedy(err)
}

// remedyHere is what to do where the reason's sentence does not say it: it speaks of passes, which try again by themselves, as a check does not.
// Empty where it says all.
func remedyHere(step string, err error) string {
	switch reason := photopush.ReasonOf(err); {
	case step == TCP && errors.Is(err, syscall.ECONNREFUSED):
		return "The connection was refused: if the machine is on, start the WinRM service there, give it a listener on that port, and let the firewall accept this server."
	case step == TCP && reason == photopush.Offline:
		return "Look whether the machine is on and in the network; if it is, a firewall drops connections from this server to that port."
	case step == Rights && reason == photopush.Denied:
		return `Let the account read HKLM\` + accountpicture.UsersKey + " there, and create subkeys in it."
	case accountpicture.Locked(err):
		return "Another run of the script is at work there: check again when it has ended, in some minutes at most."
	default:
		return once[reason]
	}
}

// once is what to do about what passes by itself, for who asks once.
var once = map[photopush.Reason]string{
	photopush.Offline:  "The connection ended, or no answer came: look whether the machine is on, and check again.",
	photopush.Conflict: "Something else changed the picture at the same moment: check again.",
	photopush.Quota:    "The workstation's limit of shells, processes or memory is reached: check again in some minutes; if it stays, raise the WinRM quotas there.",
	photopush.Timeout:  "The workstation answered, but did not finish in time: look how busy it is, and check again; if it stays, raise jobs.visit_deadline.",
	photopush.Unknown:  "The connection was lost, or time ran out, while the script ran, which changes nothing: check again.",
}
