package jobs

import (
	"context"
	"errors"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// Workstation finds a workstation by host or short name, as a push does.
func (j *Jobs) Workstation(ctx context.Context, name string) (photopush.Workstation, error) {
	return j.findWorkstation(ctx, name)
}

// Guarded makes a remote of the domain ask before it signs in, and tell how that went, as those of visits do: a stopped credential is not
// tried, a rejected one counts.
func (j *Jobs) Guarded(domain string, r visit.Remote) (visit.Remote, error) {
	d := j.domain(domain)
	if d == nil {
		return nil, &photopush.Error{Reason: photopush.OutOfScope, Op: "visit workstations of", On: domain, Err: errors.New("the domain is not configured")}
	}
	return &guarded{r, d.RemoteLogon, j.Store}, nil
}
