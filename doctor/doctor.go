// Package doctor looks at one workstation step by step, and says at which step it fails, why, and what to do. It changes nothing there.
// A visit makes the same steps; what a visit does after them, writing, is left to it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/winrm"
)

// The steps, in order. Each needs those before it.
const (
	Name           = "name"           // the host's name resolves
	TCP            = "tcp"            // the port of WinRM takes a connection
	TLS            = "tls"            // the certificate is trusted, and that of the host
	Authentication = "authentication" // the account is accepted
	Shell          = "shell"          // a shell is opened, which Windows allows to administrators by default; a push needs one, to own what it makes
	Language       = "language"       // the script runs: it is not blocked, and the language mode is full
	System         = "system"         // Windows, PowerShell and .NET are new enough
	Policy         = "policy"         // no policy hides pictures
	Rights         = "rights"         // keys may be made in the registry key of account pictures; whether folders may be made only a push shows
	Path           = "path"           // nobody but administrators can change the folders down to those of State and AccountPictures, as far as they are there
)

var order = []string{Name, TCP, TLS, Authentication, Shell, Language, System, Policy, Rights, Path}

// How a step went.
const (
	OK       = "ok"
	Failed   = "failed"
	NotUsed  = "not used"  // of TLS over plain HTTP
	NotTried = "not tried" // a step before it failed
)

// A Step is one of the steps as it went.
type Step struct {
	Name   string           `json:"step"`
	State  string           `json:"state"`            // how it went: OK and so on
	Millis int64            `json:"ms"`               // what it took; 0 also for a step that is judged by what one before it brought
	Detail string           `json:"detail,omitempty"` // what was found, or what failed
	Reason photopush.Reason `json:"reason,omitempty"` // why it failed
	Remedy string           `json:"remedy,omitempty"` // what to do about that, in sentences
}

// A Session runs commands; it is that of a winrm.Client.
type Session interface {
	// Run feeds input to a command and returns what it printed. Errors are of type *photopush.Error.
	Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error)
	// Close ends the session, also when ctx is done.
	Close(ctx context.Context) error
}

// A Checker has what it takes to look. Its fields are set once.
type Checker struct {
	// LookupHost resolves a name to at least one address.
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// Open opens a session by a winrm.Client, with the context that it is given. The error is a *photopush.Error.
	Open func(ctx context.Context, w photopush.Workstation) (Session, error)
	Now  func() time.Time

	Access accountpicture.Options // how a push would write keys
}

// Check walks the steps up to the first that fails, whose error it returns. It gives all of them, also those that were not tried. Told is called
// after each step, in their order, and for those that were not tried; once ctx is cancelled it is not called any more.
func (c *Checker) Check(ctx context.Context, w photopush.Workstation, told func(Step)) ([]Step, error) {
	cancelled := func() bool { return errors.Is(ctx.Err(), context.Canceled) }
	k := &walk{now: c.Now, told: told, cancelled: cancelled, steps: map[string]Step{}}
	err := c.walk(ctx, w, k)
	k.skip("")
	return k.all(), err
}

func (c *Checker) walk(ctx context.Context, w photopush.Workstation, k *walk) error {
	if err := k.step(Name, func() (string, error) { return c.resolve(ctx, w) }); err != nil {
		return err
	}
	session, err := c.open(ctx, w, k)
	if err != nil {
		return err
	}
	defer func() {
		_ = session.Close(context.WithoutCancel(ctx)) // a shell that stays ends by its idle time
	}()
	inv, err := c.inventory(ctx, session, w, k)
	if err != nil {
		return err
	}
	if err := k.step(System, func() (string, error) { return describeSystem(inv), accountpicture.PreflightSystem(inv) }); err != nil {
		return err
	}
	if err := k.step(Policy, func() (string, error) { return "UseDefaultTile is not set", accountpicture.PreflightPolicy(inv) }); err != nil {
		return err
	}
	return c.access(ctx, session, w, inv, k)
}

var errNoHost = &photopush.Cause{
	What: "the computer object has no dNSHostName",
	Do:   "let Windows set it, by a restart in its domain, or correct the computer object",
}

func (c *Checker) resolve(ctx context.Context, w photopush.Workstation) (string, error) {
	if w.Host == "" {
		return "", &photopush.Error{Reason: photopush.DNS, Op: "look up", On: w.Name, Err: errNoHost}
	}
	addrs, err := c.LookupHost(ctx, w.Host)
	if err != nil {
		return "", &photopush.Error{Reason: photopush.DNS, Op: "look up", On: w.Host, Err: err}
	}
	return strings.Join(addrs, ", "), nil
}

// stepsOfOpen are ours, by those of winrm.
var stepsOfOpen = map[string]string{winrm.StepConnect: TCP, winrm.StepTLS: TLS, winrm.StepSignIn: Authentication, winrm.StepShell: Shell}

// open connects, signs in and opens a shell. What the connection did not come to tell of, such as a credential that is not used any more,
// is the failure of authentication.
func (c *Checker) open(ctx context.Context, w photopush.Workstation, k *walk) (Session, error) {
	begin := c.Now()
	tell := func(name string, took time.Duration, detail string, err error) {
		if name == Authentication && k.passed(TCP) && !k.came(TLS) {
			k.note(Step{Name: TLS, State: NotUsed, Detail: "messages are sealed by the sign-in"})
		}
		k.tell(name, took, detail, err)
	}
	session, err := c.Open(winrm.WithTrace(ctx, func(s winrm.Step) { tell(stepsOfOpen[s.Name], s.Took, s.Detail, s.Err) }), w)
	if err != nil && !k.failed {
		tell(Authentication, c.Now().Sub(begin), "", err)
	}
	return session, err
}

// inventory runs the script for the first time. That it answers is what the language mode is known by.
func (c *Checker) inventory(ctx context.Context, s Session, w photopush.Workstation, k *walk) (*photopush.Inventory, error) {
	verbs := []accountpicture.Verb{accountpicture.TakeInventory{}}
	var answers []accountpicture.Answer
	err := k.step(Language, func() (_ string, err error) {
		if answers, err = run(ctx, s, w, verbs); err == nil && len(answers) > 0 && answers[0].Verb == accountpicture.Start {
			_, err = accountpicture.Apply(nil, verbs, answers, c.Now().UTC())
		}
		return "full language mode", err
	})
	if err != nil {
		return nil, err
	}
	inv, err := accountpicture.Apply(nil, verbs, answers, c.Now().UTC())
	if err != nil {
		k.tell(System, 0, "", err)
	}
	return inv, err
}

func describeSystem(inv *photopush.Inventory) string {
	return fmt.Sprintf("build %d.%d (%s %s), PowerShell %s, .NET release %d", inv.Build, inv.Revision, inv.Edition, inv.Release, inv.PowerShell, inv.NETRelease)
}

// access lets the script open the keys and guard the folders. The script guards after the keys, so that a guard that fails leaves the rights well.
func (c *Checker) access(ctx context.Context, s Session, w photopush.Workstation, inv *photopush.Inventory, k *walk) error {
	verbs := []accountpicture.Verb{accountpicture.Check{}}
	begin := c.Now()
	answers, err := run(ctx, s, w, verbs)
	if err == nil {
		_, err = accountpicture.Apply(inv, verbs, answers, c.Now().UTC())
	}
	took := c.Now().Sub(begin)
	f, _ := errors.AsType[*accountpicture.Failure](err)
	switch {
	case err == nil:
		a := answers[0].Access
		k.tell(Rights, took, c.describeRights(a), nil)
		k.tell(Path, 0, describePath(a, inv.ProgramFiles), nil)
	case f != nil && f.UnsafeFolder():
		k.tell(Rights, took, mayMake, nil)
		k.tell(Path, 0, "", err)
	default:
		k.tell(Rights, took, "", err)
	}
	return err
}

// named is how many users are named in a detail.
const named = 3

const mayMake = `keys may be made in AccountPicture\Users`

// describeRights says what of the keys may be written. A key that refuses is no failure of the workstation: a push of that user tells.
func (c *Checker) describeRights(a *accountpicture.Access) string {
	s := mayMake
	if !a.Key {
		s = `AccountPicture\Users is not there yet, and may be made`
	}
	closed, guarded := a.Closed, slices.DeleteFunc(slices.Clone(a.Refused), func(sid photopush.SID) bool { return slices.Contains(a.Closed, sid) })
	if !c.Access.TemporaryEntry {
		closed, guarded = a.Refused, nil
	}
	if n := len(guarded); n > 0 {
		s += fmt.Sprintf("; %s to be written, so that a push adds a temporary permission to each: %s", keysRefuse(n, a.Users), someOf(guarded))
	}
	if n := len(closed); n > 0 {
		s += fmt.Sprintf("; %s to be written, so that a push for these users is denied: %s", keysRefuse(n, a.Users), someOf(closed))
	}
	return s
}

func keysRefuse(n, of int) string {
	if n == 1 {
		return fmt.Sprintf("1 of %d user keys refuses", of)
	}
	return fmt.Sprintf("%d of %d user keys refuse", n, of)
}

func someOf(sids []photopush.SID) string {
	var names []string
	for _, sid := range sids[:min(len(sids), named)] {
		names = append(names, string(sid))
	}
	if len(sids) > named {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

func describePath(a *accountpicture.Access, programFiles string) string {
	if !a.Folder {
		return "safe down to " + programFiles + "; our folder of pictures is not there yet"
	}
	return "safe down to " + programFiles + `\photopush\AccountPictures; a push looks at the folder of each user in it`
}

// run executes verbs, and gives what the script answered: one answer at least.
func run(ctx context.Context, s Session, w photopush.Workstation, verbs []accountpicture.Verb) ([]accountpicture.Answer, error) {
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "encode verbs for", On: w.Host, Err: err}
	}
	out, err := s.Run(ctx, accountpicture.CommandLine, input)
	if err != nil {
		return nil, err
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err == nil && len(answers) == 0 {
		err = errors.New("the answer is empty")
	}
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Script, Op: "run script on", On: w.Host, Err: fmt.Errorf("%w (exit code %d)", err, out.ExitCode)}
	}
	return answers, nil
}
