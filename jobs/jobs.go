// Package jobs says when and how many: it reads the directory, compares want with have, claims the workstations that differ, has
// them visited side by side within limits, and stores what was read back. It knows no protocol: the directory, the store, the
// pictures and the workstations are interfaces that cmd fills.
//
// A pass (pass.go) reads every domain (read.go), then visits what is due (lanes.go). A push (push.go) visits one user's
// workstations at once. Both claim workstations alike, so that they can run side by side in several processes.
package jobs

import (
	"context"
	"log/slog"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/visit"
	"github.com/photopush/photopush/want"
)

// A Directory is the Active Directory of one domain; in the server it is a directory.Directory.
type Directory interface {
	// Changes tells what has changed since a place that it returned before; nil for none.
	Changes(ctx context.Context, since []byte) (photopush.Changes, error)
	// Settled is the place to be kept once what Changes told was read; nil where everything must be read anew.
	Settled(told photopush.Changes) []byte
	// Users yields users in scope with their photos, a page at a time; after a change of domain controller a user may come
	// twice. An error says that the read is not complete.
	Users(ctx context.Context, q photopush.UserQuery, yield func(photopush.User, []photopush.Photo) error) error
	// Workstations yields the computers in scope; with ids those of them.
	Workstations(ctx context.Context, ids []photopush.GUID, yield func(photopush.Workstation) error) error
	// Workstation finds one computer in scope by host or short name; ErrUnknownWorkstation is in the chain when there is none.
	Workstation(ctx context.Context, name string) (photopush.Workstation, error)
	// User finds one user in scope by account name, UPN, DOMAIN\account or SID; ErrUnknownUser is in the chain when there is none.
	User(ctx context.Context, name string) (photopush.User, []photopush.Photo, error)
}

// A Domain joins the parts of one domain.
type Domain struct {
	Name           string
	Directory      Directory
	DirectoryLogon Logon
	Remote         visit.Remote
	RemoteLogon    Logon
	// Site names the site that the workstation is in now, empty where that cannot be told in time; nil for nobody who could.
	Site func(ctx context.Context, w photopush.Workstation) string
}

// Pictures supplies picture sets and their digests; in the server it is a pictures.Cache.
type Pictures interface {
	visit.Pictures
	// Choose takes the best of the user's photos, and names its picture set; an error has the reason NoPhoto or BadPhoto.
	Choose(user photopush.User, photos []photopush.Photo) (photopush.Choice, error)
}

// Jobs runs passes and pushes. Its fields are set once.
type Jobs struct {
	Config     Config
	Domains    []*Domain
	Store      Store
	Pictures   Pictures
	PhotoFiles PhotoFiles                  // nil for none
	Recipe     func(photopush.User) string // names the recipe of Pictures for a user, and the rule by which it chooses: another one makes his digest new
	Recipes    string                      // names all of them together
	Policy     want.Policy
	Access     accountpicture.Options
	Sessions   func(photopush.GUID, *photopush.Inventory) []photopush.Session // what an inventory says of who uses the workstation
	Log        *slog.Logger
	Now        func() time.Time
	Observe    func(Event)                 // told of every step, one at a time; nil for nobody
	Tidy       func(context.Context) error // removes what is not to be kept any longer, at the beginning of every pass; nil for nothing
}

// domain returns the domain of that name, or nil when the configuration no longer has it.
func (j *Jobs) domain(name string) *Domain {
	for _, d := range j.Domains {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// names are those of all configured domains. The database may know workstations of others, which nobody visits any more.
func (j *Jobs) names() []string {
	names := make([]string, len(j.Domains))
	for i, d := range j.Domains {
		names[i] = d.Name
	}
	return names
}
