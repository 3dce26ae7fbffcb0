package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/directory"
	"github.com/photopush/photopush/jobs"
)

func TestExitCodes(t *testing.T) {
	auth := &photopush.Error{Reason: photopush.Auth, Op: "bind", On: "dc1.corp.example"}
	unusable := &photopush.SecretError{What: "password", Place: photopush.Secret{File: "p"}, Err: errors.New("it is empty")}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		text string
	}{
		"done":                  {context.Background(), nil, 0, ""},
		"internal":              {context.Background(), errors.New("odd"), 1, "photopush: odd\n"},
		"said already":          {context.Background(), withExit(exitPerson, nil), 4, ""},
		"a code of its own":     {context.Background(), withExit(exitUsage, auth), 2, "photopush: bind dc1.corp.example: auth\n"},
		"several faults":        {context.Background(), withExit(exitUsage, errors.Join(errors.New("one"), errors.New("two"))), 2, "photopush: one\nphotopush: two\n"},
		"unknown user":          {context.Background(), fmt.Errorf("u1: %w", photopush.ErrUnknownUser), 3, "photopush: u1: no such user\n"},
		"unknown workstation":   {context.Background(), fmt.Errorf("ws1: %w", photopush.ErrUnknownWorkstation), 3, "photopush: ws1: no such workstation\n"},
		"ambiguous name":        {context.Background(), fmt.Errorf("ws1: %w", directory.ErrAmbiguous), 3, "photopush: ws1: " + directory.ErrAmbiguous.Error() + "\n"},
		"too many leavers":      {context.Background(), fmt.Errorf("pass: %w", &jobs.RemovalsError{Removals: 30, Pictures: 200, Most: 10}), 4, "photopush: pass: 30 of 200 pictures would be taken away at once because their users are leavers, and 10 may be (policy.leavers_limit), so none is: check the scope (users.bases and users.filter of each domain); if it is right, run `photopush sync --allow-removals`\n"},
		"credential":            {context.Background(), auth, 5, "photopush: bind dc1.corp.example: auth\n"},
		"no password":           {context.Background(), fmt.Errorf("domain a: %w", unusable), 2, "photopush: domain a: cannot use the password in file p: it is empty; put it there, readable by the account that photopush runs as\n"},
		"rejected, no password": {context.Background(), errors.Join(unusable, auth), 5, "photopush: " + unusable.Error() + "\nphotopush: bind dc1.corp.example: auth\n"},
		"no domain controller":  {context.Background(), &photopush.Error{Reason: photopush.Offline, Op: "read", On: "corp.example", Err: photopush.ErrNoDirectory}, 6, "photopush: read corp.example: offline: no domain controller answers\n"},
		"rejected, further in":  {context.Background(), &photopush.Error{Reason: photopush.Unknown, Op: "write", Err: fmt.Errorf("lost: %w", auth)}, 5, "photopush: write: unknown: lost: bind dc1.corp.example: auth\n"},
		"no KDC":                {context.Background(), &photopush.Error{Reason: photopush.KDC, On: "corp.example"}, 6, "photopush: corp.example: kdc\n"},
		"rejected, then no one": {context.Background(), errors.Join(auth, photopush.ErrNoDirectory), 5, "photopush: bind dc1.corp.example: auth\nphotopush: no domain controller answers\n"},
		"no one, then rejected": {context.Background(), errors.Join(
			fmt.Errorf("domain a.example: %w", &photopush.Error{Reason: photopush.Offline, On: "a.example", Err: photopush.ErrNoDirectory}), fmt.Errorf("domain b.example: %w", auth)),
			5, "photopush: domain a.example: a.example: offline: no domain controller answers\nphotopush: domain b.example: bind dc1.corp.example: auth\n"},
		"interrupted":        {canceled, fmt.Errorf("read: %w", context.Canceled), 130, "photopush: interrupted\n"},
		"done all the same":  {canceled, nil, 0, ""},
		"another error then": {canceled, auth, 5, "photopush: bind dc1.corp.example: auth\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := tell(c.ctx, &stderr, c.err); code != c.code || stderr.String() != c.text {
				t.Errorf("exit code %d and %q, want %d and %q", code, stderr.String(), c.code, c.text)
			}
		})
	}
}
