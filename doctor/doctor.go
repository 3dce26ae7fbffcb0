// Package doctor looks at one workstation step by step, and says at which step it fails, why, and what to do. It changes nothing there.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// The steps, in order.
const (
	Name     = "name"     // resolves
	Shell    = "shell"    // connects, does the TLS handshake, signs in and opens a shell
	Language = "language" // the script runs: no constrained language mode
	System   = "system"   // Windows, PowerShell and .NET are new enough, and no policy hides pictures
)

// A Step is one of the steps as it went.
type Step struct {
	Name   string           `json:"step"`
	State  string           `json:"state"` // ok, failed, not tried
	Millis int64            `json:"ms"`
	Detail string           `json:"detail,omitempty"`
	Reason photopush.Reason `json:"reason,omitempty"`
	Remedy string           `json:"remedy,omitempty"`
}

// A Session runs commands; it is that of a winrm.Client.
type Session interface {
	Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error)
	Close(ctx context.Context) error
}

// A Checker has what it takes to look. Its fields are set once.
type Checker struct {
	LookupHost func(ctx context.Context, host string) ([]string, error)
	Open       func(ctx context.Context, w photopush.Workstation) (Session, error)
	Now        func() time.Time
}

// Check walks the steps up to the first that fails, whose error it returns.
func (c *Checker) Check(ctx context.Context, w photopush.Workstation) (steps []Step, err error) {
	var session Session
	var inv *photopush.Inventory
	defer func() {
		if session != nil {
			_ = session.Close(context.WithoutCancel(ctx)) // a shell that stays ends by its idle time
		}
	}()
	for _, s := range []struct {
		name string
		do   func() (string, error)
	}{
		{Name, func() (string, error) { return c.resolve(ctx, w) }},
		{Shell, func() (_ string, err error) { session, err = c.Open(ctx, w); return "", err }},
		{Language, func() (_ string, err error) { inv, err = c.look(ctx, session, w); return "full", err }},
		{System, func() (string, error) {
			return fmt.Sprintf("build %d, PowerShell %q, .NET release %d", inv.Build, inv.PowerShell, inv.NETRelease), accountpicture.Preflight(inv)
		}},
	} {
		step := Step{Name: s.name, State: "not tried"}
		if err == nil {
			begin := c.Now()
			step.State = "ok"
			if step.Detail, err = s.do(); err != nil {
				step.State, step.Reason, step.Detail = "failed", photopush.ReasonOf(err), photopush.Detail(err)
				step.Remedy = step.Reason.Sentence()
			}
			step.Millis = c.Now().Sub(begin).Milliseconds()
		}
		steps = append(steps, step)
	}
	return steps, err
}

func (c *Checker) resolve(ctx context.Context, w photopush.Workstation) (string, error) {
	if w.Host == "" {
		return "", &photopush.Error{Reason: photopush.DNS, Op: "look up", On: w.Name, Err: errors.New("the computer object has no dNSHostName")}
	}
	addrs, err := c.LookupHost(ctx, w.Host)
	if err != nil {
		return "", &photopush.Error{Reason: photopush.DNS, Op: "look up", On: w.Host, Err: err}
	}
	return strings.Join(addrs, ", "), nil
}

// look takes the inventory, which tells of the language mode by being answered.
func (c *Checker) look(ctx context.Context, s Session, w photopush.Workstation) (*photopush.Inventory, error) {
	verbs := []accountpicture.Verb{accountpicture.TakeInventory{}}
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "encode verbs for", On: w.Host, Err: err}
	}
	out, err := s.Run(ctx, accountpicture.CommandLine, input)
	if err != nil {
		return nil, err
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Script, Op: "run script on", On: w.Host, Err: fmt.Errorf("%w (exit code %d)", err, out.ExitCode)}
	}
	return accountpicture.Apply(nil, verbs, answers, c.Now().UTC())
}
