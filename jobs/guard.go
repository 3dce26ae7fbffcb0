package jobs

import (
	"context"
	"errors"
	"fmt"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// A Logon is the account that a domain is read with, or its workstations are visited with.
type Logon struct {
	Account   string // as configured
	Mechanism string // to read a domain: ldap-simple, ldap-kerberos, ldap-certificate; to visit: kerberos, ntlm, basic, certificate
	Secret    photopush.Secret
}

// credential adds the mark of the secret as it is now: a person who has corrected it lifts the stop. The error is a *photopush.SecretError.
func (l Logon) credential() (photopush.Credential, error) {
	mark, err := l.Secret.Mark()
	if err != nil {
		return photopush.Credential{}, err
	}
	return photopush.Credential{Account: l.Account, Mechanism: l.Mechanism, Mark: mark}, nil
}

// stopped returns an error with the reason Auth when the logon must not be used.
func (l Logon) stopped(ctx context.Context, g Guard) error {
	c, err := l.credential()
	if err != nil {
		return err
	}
	stop, err := g.Stopped(ctx, c)
	if err != nil {
		return err
	}
	if stop != nil {
		return stopError(l.Account, stop)
	}
	return nil
}

func stopError(account string, stop *photopush.CredentialStop) error {
	return &photopush.Error{Reason: photopush.Auth, Op: "use account", On: account, Err: stop}
}

// A refusal is why a workstation was not even asked: its visit counts for nothing, and is due as before.
type refusal struct {
	error
	all bool // holds for every workstation of the domain: the credential must not be used, or its secret cannot be read
}

func (r *refusal) Unwrap() error { return r.error }

// refused is the refusal in err's chain; nil when there is none.
func refused(err error) *refusal {
	r, _ := errors.AsType[*refusal](err)
	return r
}

// A guarded remote asks the guard before it signs in anywhere, and tells it how that went.
type guarded struct {
	visit.Remote
	logon Logon
	guard Guard
}

func (g *guarded) Open(ctx context.Context, w photopush.Workstation) (visit.Session, error) {
	c, err := g.logon.credential()
	if err != nil {
		return nil, &refusal{err, true}
	}
	token, err := g.guard.Permit(ctx, c, w.ID)
	switch {
	case stopIn(err) != nil:
		return nil, &refusal{stopError(c.Account, stopIn(err)), true}
	case ctx.Err() != nil && err != nil: // the visit's time went by in waiting for others
		return nil, &refusal{err, false}
	case err != nil:
		return nil, err
	}
	session, err := g.Remote.Open(ctx, w)
	if told := g.tell(context.WithoutCancel(ctx), c, token, w, err); told != nil {
		if session != nil {
			told = errors.Join(told, session.Close(context.WithoutCancel(ctx)))
		}
		return nil, told
	}
	if err != nil {
		return nil, err
	}
	return &guardedSession{Session: session, of: g, credential: c, w: w}, nil
}

// A guardedSession tells of a rejection in the middle of a visit: a workstation wants a new sign-in after a silence, and after a loss.
type guardedSession struct {
	visit.Session
	of         *guarded
	credential photopush.Credential
	w          photopush.Workstation
	told       bool
}

func (s *guardedSession) Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	out, err := s.Session.Run(ctx, commandLine, input)
	return out, s.tell(ctx, err)
}

func (s *guardedSession) Close(ctx context.Context) error {
	return s.tell(ctx, s.Session.Close(ctx))
}

// tell counts the first rejection of a session; the error is the session's, joined with what kept it from being counted.
func (s *guardedSession) tell(ctx context.Context, err error) error {
	if s.told || photopush.ReasonOf(err) != photopush.Auth {
		return err
	}
	s.told = true
	if told := s.of.tell(context.WithoutCancel(ctx), s.credential, "", s.w, err); told != nil && refused(told) == nil {
		return told
	}
	return err
}

// tell ends the permit; it returns an error when that fails, or when this was the rejection that stops the credential. A secret that could not
// be used was not tried: no workstation of the domain can be visited with it.
func (g *guarded) tell(ctx context.Context, c photopush.Credential, token string, w photopush.Workstation, opened error) error {
	if unusable := unusableSecret(opened); unusable != nil {
		if err := g.guard.Unused(ctx, c, token); err != nil {
			return err
		}
		return &refusal{unusable, true}
	}
	switch photopush.ReasonOf(opened) {
	case "":
		return g.guard.Accepted(ctx, c, token)
	case photopush.Auth:
		stop, err := g.rejected(ctx, c, token, w, opened)
		if err != nil {
			return fmt.Errorf("count rejected credential: %w", errors.Join(err, opened))
		}
		if stop != nil {
			return &refusal{stopError(c.Account, stop), true}
		}
		return nil
	}
	return g.guard.Unused(ctx, c, token)
}

// rejected counts a workstation's rejection. With Kerberos it is the KDC that rejects, for all workstations, so that one is enough; a workstation
// that does not let the account in gives another reason.
func (g *guarded) rejected(ctx context.Context, c photopush.Credential, token string, w photopush.Workstation, opened error) (*photopush.CredentialStop, error) {
	if c.Mechanism != "kerberos" {
		return g.guard.Rejected(ctx, c, token, w.ID, opened.Error())
	}
	if err := errors.Join(g.guard.Unused(ctx, c, token), g.guard.Stop(ctx, c, opened.Error())); err != nil {
		return nil, err
	}
	return g.guard.Stopped(ctx, c)
}

// unusableSecret is the secret in err's chain that could not be used, alone: on what it was to be tried is of no matter. Nil when there is none.
func unusableSecret(err error) error {
	if e, ok := errors.AsType[*photopush.SecretError](err); ok {
		return e
	}
	return nil
}

// stopIn is the stop in the guard's error that says that a credential must not be used any more, anywhere; nil when there is none.
func stopIn(err error) *photopush.CredentialStop {
	stop, _ := errors.AsType[*photopush.CredentialStop](err)
	if stop == nil || stop.Since.IsZero() { // without a time it is one workstation that is not asked again
		return nil
	}
	return stop
}
