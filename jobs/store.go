package jobs

import (
	"context"
	"iter"
	"time"

	photopush "github.com/photopush/photopush"
)

// A Store keeps what is known; in the server it is a store.Store. Its clock counts for leases and due times.
type Store interface {
	Now(ctx context.Context) (time.Time, error)

	// Bookmark tells how far the directory of a domain was read.
	Bookmark(ctx context.Context, domain string) (photopush.Bookmark, error)
	// BeginPass begins a read of a domain.
	BeginPass(ctx context.Context, domain string) (pass int64, err error)
	PutUsers(ctx context.Context, pass int64, users []photopush.UserRecord) error
	PutWorkstations(ctx context.Context, pass int64, ws []photopush.Workstation) error
	// EndPass ends a read of everything: what it has not put is gone. next is where the changes after it begin.
	EndPass(ctx context.Context, domain string, pass int64, next photopush.Bookmark) (users, workstations int, err error)
	// EndChanges ends a read of changes: what of looked it has not put is gone. ErrOvertaken is in the chain when another process has stored another bookmark, which
	// has no place any more then.
	EndChanges(ctx context.Context, domain string, pass int64, since photopush.Bookmark, looked []photopush.GUID, next photopush.Bookmark) (users, workstations int, err error)
	// UsersOf yields the users of a domain that are not gone; Unjudged are those whose photo could not be judged.
	UsersOf(ctx context.Context, domain string) iter.Seq2[photopush.UserRecord, error]
	Unjudged(ctx context.Context, domain string) ([]photopush.GUID, error)

	// FindUsers finds by SID, UPN, DOMAIN\account or account, those that are gone too; ErrUnknownUser is in the chain when nobody is found.
	FindUsers(ctx context.Context, name string) ([]photopush.UserRecord, error)
	Users(ctx context.Context, sids []photopush.SID) (map[photopush.SID]photopush.UserRecord, error)
	Workstation(ctx context.Context, id photopush.GUID) (photopush.WorkstationRecord, error)
	FindWorkstations(ctx context.Context, name string) ([]photopush.WorkstationRecord, error)
	WorkstationsOf(ctx context.Context, sid photopush.SID) ([]photopush.WorkstationRecord, error)
	PutSessions(ctx context.Context, sessions []photopush.Session) error

	// Plan yields every user on every workstation; PlanOf those of one workstation.
	Plan(ctx context.Context) iter.Seq2[photopush.Plan, error]
	PlanOf(ctx context.Context, id photopush.GUID) ([]photopush.Plan, error)
	// SetWants stores Want, Reason and Detail; a workstation whose pair is out of step by that is due at once.
	SetWants(ctx context.Context, pairs []photopush.Pair) error
	// KeepOriginals stores Original of pairs that have none yet.
	KeepOriginals(ctx context.Context, pairs []photopush.Pair) error
	// Hold notes that an administrator wants no picture of ours for a user, on some workstations or, with nil, anywhere; or that he wants it back.
	Hold(ctx context.Context, user photopush.SID, only []photopush.GUID, held bool) error

	// Findings are the permissions that let users write, of the last inventories; KeepSDDL stores what they are before they are mended.
	Findings(ctx context.Context) ([]photopush.FindingRecord, error)
	KeepSDDL(ctx context.Context, workstation photopush.GUID, found []photopush.Finding) error

	Claim(ctx context.Context, r photopush.ClaimRequest) ([]photopush.Claim, error)
	// ClaimOne claims one workstation, due or not; ok is false while another holds it.
	ClaimOne(ctx context.Context, id photopush.GUID, lease time.Duration) (c photopush.Claim, heldUntil time.Time, ok bool, err error)
	// FinishAll stores results; errs has an entry for each, not nil when its lease was lost.
	FinishAll(ctx context.Context, rs []photopush.Result) (errs []error, err error)
	// Release gives a claim back unvisited.
	Release(ctx context.Context, c photopush.Claim) error
	// PutBack gives a claim of ClaimOne back as if it had not been made.
	PutBack(ctx context.Context, c photopush.Claim) error
	// SetVerify asks for a look at workstations although every pair is in step: all, or only these.
	SetVerify(ctx context.Context, only []photopush.GUID) error
	// RetryRejected makes the workstations of a domain due at once that rejected the credential before its secret was changed.
	RetryRejected(ctx context.Context, domain string, changed time.Time) error
	// NextDue: when the next workstation of these domains, or of all, is due (zero: none), how many are due now; how many of any domain are leased.
	NextDue(ctx context.Context, domains ...string) (next time.Time, due, leased int, err error)
	// Rescue gives back what dead processes held.
	Rescue(ctx context.Context) (n int, err error)

	Guard
}

// A Guard keeps credentials from being burnt, over all processes.
type Guard interface {
	// Permit waits for the right to try a credential on a workstation; an error with a *photopush.CredentialStop in its chain says
	// that it must not be tried. What it gives is ended by exactly one of Accepted, Rejected and Unused.
	Permit(ctx context.Context, c photopush.Credential, workstation photopush.GUID) (token string, err error)
	Accepted(ctx context.Context, c photopush.Credential, token string) error
	Rejected(ctx context.Context, c photopush.Credential, token string, workstation photopush.GUID, detail string) (stop *photopush.CredentialStop, err error)
	Unused(ctx context.Context, c photopush.Credential, token string) error
	// Stop stops a credential at once; Stopped is nil while it may be used.
	Stop(ctx context.Context, c photopush.Credential, detail string) error
	Stopped(ctx context.Context, c photopush.Credential) (*photopush.CredentialStop, error)
}
