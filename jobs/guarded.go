package jobs

import (
	"context"
	"errors"
	"sync"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// Workstation finds a workstation by host or short name, as a push does.
func (j *Jobs) Workstation(ctx context.Context, name string) (photopush.Workstation, error) {
	return j.findWorkstation(ctx, name)
}

// Occupy waits for its turn at the workstation, and keeps other visits away from it until release is called; a process that ends without that holds
// it for as long as a visit may take.
func (j *Jobs) Occupy(ctx context.Context, w photopush.Workstation) (release func() error, err error) {
	if _, err := j.Store.Rescue(ctx); err != nil {
		return nil, err
	}
	claim, err := j.turn(ctx, w, new(sync.Mutex))
	if err != nil {
		return nil, err
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		return j.Store.Release(ctx, claim)
	}, nil
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
