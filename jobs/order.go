package jobs

import (
	"context"
	"errors"

	photopush "github.com/photopush/photopush"
)

// subject is the user that a request is for. A picture can be taken away of somebody who is in no directory any more.
func (j *Jobs) subject(ctx context.Context, r PushRequest) (photopush.UserRecord, error) {
	user, err := j.readUser(ctx, r.User)
	if err == nil {
		known, err := j.Store.Users(ctx, []photopush.SID{user.SID})
		user.Held = known[user.SID].Held
		return user, err
	}
	if r.Order == "" || !errors.Is(err, photopush.ErrUnknownUser) {
		return user, err
	}
	known, storeErr := j.Store.FindUsers(ctx, r.User)
	switch {
	case storeErr == nil && len(known) == 1:
		return known[0], nil
	case photopush.SID(r.User).IsAccount():
		return photopush.UserRecord{User: photopush.User{SID: photopush.SID(r.User), AccountName: r.User}}, nil
	case storeErr != nil && !errors.Is(storeErr, photopush.ErrUnknownUser):
		return user, storeErr
	}
	return user, err
}

// hold keeps passes from giving back what an administrator takes away, and a push ends that. What is restored is held once that is done: where
// nothing is left of before nothing changes.
func (j *Jobs) hold(ctx context.Context, user photopush.UserRecord, targets []photopush.Workstation, r PushRequest) error {
	if r.Order == photopush.Restore {
		return nil
	}
	var only []photopush.GUID // nil: everywhere, and where he comes to
	if len(r.Workstations) > 0 {
		for _, w := range targets {
			only = append(only, w.ID)
		}
	}
	return j.Store.Hold(ctx, user.SID, only, r.Order == photopush.Remove)
}
