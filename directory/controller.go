package directory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// A controller is one domain controller, named by the configuration or by DNS. What is not fixed is guarded by Directory.mu.
type controller struct {
	url  string // as an administrator would write it, for errors and logs
	host string // what its certificate must name
	addr string // host:port
	tls  bool   // from the first byte; else it is started, or Kerberos seals

	found    bool      // by DNS, which may be forged
	tier     int       // the smaller the better; those of one tier are alike
	retired  bool      // DNS does not name it any more
	failures int       // in a row
	resting  time.Time // until then it is tried after the others only
}

func newController(u *url.URL, tier int) *controller {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	}
	return &controller{
		url:  u.String(),
		host: strings.TrimSuffix(u.Hostname(), "."),
		addr: net.JoinHostPort(u.Hostname(), port),
		tls:  u.Scheme == "ldaps",
		tier: tier,
	}
}

// A trial remembers which controllers failed within one call, and why.
type trial struct {
	failed []failure
	logged int // of them
}

type failure struct {
	controller *controller
	err        *lostError
}

func (t *trial) has(c *controller) bool {
	for _, f := range t.failed {
		if f.controller == c {
			return true
		}
	}
	return false
}

func (t *trial) add(c *controller, err error) {
	lost, ok := errors.AsType[*lostError](err)
	if !ok {
		lost = &lostError{photopush.Offline, err}
	}
	t.failed = append(t.failed, failure{c, lost})
}

// err is the error when no controller is left: one line that names each and why, with ErrNoDirectory in its chain.
func (t *trial) err(domain string) error {
	reason := photopush.Offline
	for i, f := range t.failed {
		if i == 0 {
			reason = f.err.reason
		} else if f.err.reason != reason {
			reason = photopush.Offline
		}
	}
	return &photopush.Error{Reason: reason, Op: "read directory", On: domain, Err: &noDirectoryError{t.failed}}
}

type noDirectoryError struct{ failed []failure }

func (e *noDirectoryError) Error() string {
	parts := make([]string, len(e.failed))
	for i, f := range e.failed {
		parts[i] = fmt.Sprintf("%s: %s: %s", f.controller.url, f.err.reason, oneLine(f.err))
	}
	return photopush.ErrNoDirectory.Error() + ": " + strings.Join(parts, "; ")
}

func (e *noDirectoryError) Unwrap() []error {
	errs := []error{photopush.ErrNoDirectory}
	for _, f := range e.failed {
		errs = append(errs, f.err.err)
	}
	return errs
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// canceled says what a call was doing when its context ended.
func canceled(ctx context.Context, what string) error {
	return fmt.Errorf("%s: %w", what, ctx.Err())
}
