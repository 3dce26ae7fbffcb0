package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	photopush "github.com/photopush/photopush"
)

// targets are the workstations to visit: the named ones, each once, or those with a profile of the user.
func (j *Jobs) targets(ctx context.Context, user photopush.UserRecord, r PushRequest) ([]photopush.Workstation, error) {
	if len(r.Workstations) == 0 {
		return j.targetsOf(ctx, user)
	}
	var targets []photopush.Workstation
	var sessions []photopush.Session
	now := j.Now().UTC()
	for _, name := range r.Workstations {
		w, err := j.findWorkstation(ctx, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(targets, func(t photopush.Workstation) bool { return t.ID == w.ID }) {
			continue
		}
		targets = append(targets, w)
		sessions = append(sessions, photopush.Session{Workstation: w.ID, User: user.SID, Source: SourceNamed, FirstSeen: now, LastSeen: now})
	}
	if r.DryRun || r.Order != "" { // to take a picture away is no evidence that somebody works there
		return targets, nil
	}
	return targets, j.Store.PutSessions(ctx, sessions)
}

func (j *Jobs) targetsOf(ctx context.Context, user photopush.UserRecord) ([]photopush.Workstation, error) {
	records, err := j.Store.WorkstationsOf(ctx, user.SID)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, ErrNoWorkstation
	}
	targets := make([]photopush.Workstation, len(records))
	for i, r := range records {
		targets[i] = r.Workstation
	}
	return targets, nil
}

// findWorkstation looks the name up in the store, and where it has none that lives, in the directory: it may have been added since.
func (j *Jobs) findWorkstation(ctx context.Context, name string) (photopush.Workstation, error) {
	records, err := j.Store.FindWorkstations(ctx, name)
	if err != nil && !errors.Is(err, photopush.ErrUnknownWorkstation) {
		return photopush.Workstation{}, err
	}
	records = living(records)
	switch len(records) {
	case 0:
		return j.readWorkstation(ctx, name)
	case 1:
		return records[0].Workstation, nil
	}
	var hosts []string
	for _, r := range records {
		hosts = append(hosts, r.Host)
	}
	return photopush.Workstation{}, fmt.Errorf("%w by just that name: %s may be %s", photopush.ErrUnknownWorkstation, name, strings.Join(hosts, " or "))
}

// living leaves out computers that are gone: one that was joined anew has another object by the same name. Disabled ones count where no other has the name.
func living(records []photopush.WorkstationRecord) []photopush.WorkstationRecord {
	records = slices.DeleteFunc(records, func(r photopush.WorkstationRecord) bool { return !r.GoneSince.IsZero() })
	enabled := slices.DeleteFunc(slices.Clone(records), func(r photopush.WorkstationRecord) bool { return !r.Enabled })
	if len(enabled) > 0 {
		return enabled
	}
	return records
}
