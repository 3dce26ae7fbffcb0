// Package store keeps what photopush knows: users, workstations, who uses what, what should be where and what was read back
// there, who visits what, and which credential was rejected. It decides nothing and knows no photo's bytes, only digests.
package store

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/photopush/photopush"
)

var errGrowing = errors.New("this body is still growing")

// ErrLeaseLost: the claim's lease ended, or is another's by now; nothing was stored.
var ErrLeaseLost = errors.New("the lease was lost")

// Config is the section database.
type Config struct {
	Path string `yaml:"path" default:"/var/lib/photopush/photopush.db" help:"File of the SQLite database; its folder must exist and be writable, on a local disk."`
}

// Validate reports every fault; path is the section's key path.
func (c *Config) Validate(path string) error { return nil }

// Options are what a test or a command may pass in; the zero value is fine.
type Options struct {
	Log         *slog.Logger     // nil: nothing is logged
	Clock       func() time.Time // nil: time.Now
	AfterCommit func(n int)      // called after this store's n-th committed transaction that wrote, n from 1
}

type Store struct{}

func Open(ctx context.Context, c Config, o Options) (*Store, error) { return nil, errGrowing }
func (s *Store) Close() error                                       { return nil }

// Now is the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) { return time.Time{}, errGrowing }

// Directory pass.
func (s *Store) BeginPass(ctx context.Context, domain string) (pass int64, err error) { return 0, errGrowing }
func (s *Store) PutUsers(ctx context.Context, pass int64, users []photopush.UserRecord) error {
	return errGrowing
}
func (s *Store) PutWorkstations(ctx context.Context, pass int64, ws []photopush.Workstation) error {
	return errGrowing
}
func (s *Store) EndPassUsers(ctx context.Context, domain string, pass int64) (gone int, err error) {
	return 0, errGrowing
}
func (s *Store) EndPassWorkstations(ctx context.Context, domain string, pass int64) (gone int, err error) {
	return 0, errGrowing
}

// Look-ups. One that finds nobody has ErrUnknownUser or ErrUnknownWorkstation in its chain.
func (s *Store) User(ctx context.Context, sid photopush.SID) (photopush.UserRecord, error) {
	return photopush.UserRecord{}, errGrowing
}
func (s *Store) Users(ctx context.Context, sids []photopush.SID) (map[photopush.SID]photopush.UserRecord, error) {
	return nil, errGrowing
}

// FindUsers: by SID, UPN, DOMAIN\account or account, without regard to case.
func (s *Store) FindUsers(ctx context.Context, name string) ([]photopush.UserRecord, error) {
	return nil, errGrowing
}
func (s *Store) Workstation(ctx context.Context, id photopush.GUID) (photopush.WorkstationRecord, error) {
	return photopush.WorkstationRecord{}, errGrowing
}

// FindWorkstations: by host or short name, without regard to case.
func (s *Store) FindWorkstations(ctx context.Context, name string) ([]photopush.WorkstationRecord, error) {
	return nil, errGrowing
}
func (s *Store) Inventory(ctx context.Context, id photopush.GUID) (*photopush.Inventory, error) {
	return nil, errGrowing
}

// Sessions and pairs.
func (s *Store) PutSessions(ctx context.Context, sessions []photopush.Session) error { return errGrowing }
func (s *Store) SessionsOf(ctx context.Context, id photopush.GUID) ([]photopush.Session, error) {
	return nil, errGrowing
}
func (s *Store) PairsOf(ctx context.Context, id photopush.GUID) ([]photopush.Pair, error) {
	return nil, errGrowing
}

// WorkstationsOf: those that a session or a pair names for the user, without the disabled and the gone.
func (s *Store) WorkstationsOf(ctx context.Context, sid photopush.SID) ([]photopush.WorkstationRecord, error) {
	return nil, errGrowing
}

// SetWants sets Want, Reason and Detail of pairs. A pair whose want really changes and is now out of step makes its workstation due at
// once, unless that is leased (Finish then sees to it).
func (s *Store) SetWants(ctx context.Context, pairs []photopush.Pair) error { return errGrowing }

// Plan yields every user on every workstation, ordered by workstation, out of one snapshot. SetWants may be called while it runs.
func (s *Store) Plan(ctx context.Context) iter.Seq2[photopush.Plan, error] { return nil }

// PlanOf is Plan for one workstation.
func (s *Store) PlanOf(ctx context.Context, id photopush.GUID) ([]photopush.Plan, error) {
	return nil, errGrowing
}

// Statuses yields the report's material.
func (s *Store) Statuses(ctx context.Context) iter.Seq2[photopush.Status, error] { return nil }

// Claims.
func (s *Store) Claim(ctx context.Context, r photopush.ClaimRequest) ([]photopush.Claim, error) {
	return nil, errGrowing
}

// ClaimOne claims one workstation, due or not. While another holds it: no claim, and until when it is held at most.
func (s *Store) ClaimOne(ctx context.Context, id photopush.GUID, lease time.Duration) (c photopush.Claim, heldUntil time.Time, ok bool, err error) {
	return photopush.Claim{}, time.Time{}, false, errGrowing
}

// Finish stores a visit's result; ErrLeaseLost when the claim is no longer ours.
func (s *Store) Finish(ctx context.Context, r photopush.Result) error { return errGrowing }

// FinishAll is Finish for many in one transaction; errs has an entry for each: nil or ErrLeaseLost.
func (s *Store) FinishAll(ctx context.Context, rs []photopush.Result) (errs []error, err error) {
	return nil, errGrowing
}

// Release gives a claim back unvisited: due at once, no attempt used.
func (s *Store) Release(ctx context.Context, c photopush.Claim) error { return errGrowing }

// SetDue makes workstations due at a time if they are not due earlier, and raises their priority.
func (s *Store) SetDue(ctx context.Context, ids []photopush.GUID, at time.Time, p photopush.Priority) error {
	return errGrowing
}

// SetVerify asks for a look at workstations although every pair is in step: all of them, or only these; due at once.
func (s *Store) SetVerify(ctx context.Context, only []photopush.GUID) error { return errGrowing }

// NextDue: when the next is due (zero: none), how many are due now, and how many are leased.
func (s *Store) NextDue(ctx context.Context) (next time.Time, due, leased int, err error) {
	return time.Time{}, 0, 0, errGrowing
}

// Rescue gives back what processes of this machine held that are dead, and says how many workstations that were.
func (s *Store) Rescue(ctx context.Context) (n int, err error) { return 0, errGrowing }

// Permit waits for the right to try a credential on a workstation. Until it has succeeded, one attempt is in flight over all processes, and a
// workstation that rejected it is not asked again. An error with Reason Auth and a *photopush.CredentialStop in its chain: do not try.
// What Permit gives is ended by exactly one of Accepted, Rejected and Unused.
func (s *Store) Permit(ctx context.Context, c photopush.Credential, workstation photopush.GUID) (token string, err error) {
	return "", errGrowing
}
func (s *Store) Accepted(ctx context.Context, c photopush.Credential, token string) error {
	return errGrowing
}

// Rejected counts; the second workstation stops the credential (stop is then not nil).
func (s *Store) Rejected(ctx context.Context, c photopush.Credential, token string, workstation photopush.GUID, detail string) (stop *photopush.CredentialStop, err error) {
	return nil, errGrowing
}

// Unused: nothing was learnt about the credential (offline, cancelled).
func (s *Store) Unused(ctx context.Context, c photopush.Credential, token string) error {
	return errGrowing
}

// Stop stops a credential at once (LDAP 49, a failed Kerberos pre-authentication).
func (s *Store) Stop(ctx context.Context, c photopush.Credential, detail string) error {
	return errGrowing
}

// Stopped tells whether the credential is stopped; nil when it is not.
func (s *Store) Stopped(ctx context.Context, c photopush.Credential) (*photopush.CredentialStop, error) {
	return nil, errGrowing
}
