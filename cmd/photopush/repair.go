package main

import (
	"context"
	"errors"
	"fmt"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/jobs"
)

type repairCommand struct {
	Workstation []string `arg:"" optional:"" help:"Host or short names."`
	All         bool     `help:"All workstations where the last inventory has shown a key that users may write."`
	DryRun      bool     `help:"Look at the workstations, tell what would be done there, and change nothing."`
	Format      string   `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*repairCommand) Help() string {
	return `Closes registry keys of account pictures that an old recipe has opened: it let Users write below
HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users, so that everybody could exchange everybody's picture. Entries that let Everyone, Authenticated Users, Users,
INTERACTIVE or Domain Users write let them read from then on; a key that a user owns is given to Administrators. What the permissions were is kept in the database before
anything is changed, and told by --format json.

Remove the group policy of that recipe first: while it is there it sets its permissions again.

It visits as many workstations at once as a pass does (jobs.visits), and a pass waits for it.

Exit codes: 0 nothing is open any more, or with --dry-run every workstation was looked at; 3 no such workstation; 4 something is still open, or a workstation could not be visited; 5 a credential was rejected.`
}

// A repairResult is the JSON of one workstation.
type repairResult struct {
	Workstation string           `json:"workstation"`
	State       string           `json:"state"` // closed, nothing open, would change, failed
	Found       []openKey        `json:"found"`
	Left        []openKey        `json:"left"`
	Steps       []string         `json:"steps,omitempty"`
	Reason      photopush.Reason `json:"reason,omitempty"`
	Detail      string           `json:"detail,omitempty"`
}

// An openKey is the JSON of a permission that lets users write a key.
type openKey struct {
	Key       string `json:"key"` // Users, or the SID of the user whose key it is
	Trustee   string `json:"trustee"`
	Name      string `json:"name"`
	May       string `json:"may"`
	Owner     bool   `json:"owner"`
	Inherited bool   `json:"inherited"`
	Below     bool   `json:"below"`
	Unclear   string `json:"unclear"`
	SDDL      string `json:"sddl"`
}

func openKeys(found []photopush.Finding) []openKey {
	keys := make([]openKey, len(found))
	for i, f := range found {
		keys[i] = openKey(f)
	}
	return keys
}

func (c *repairCommand) Run(ctx context.Context, a *app) (err error) {
	if c.All == (len(c.Workstation) > 0) {
		return withExit(exitUsage, errors.New("repair-acl: name workstations, or say --all"))
	}
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	results := []repairResult{}
	var failed []error
	err = p.jobs.Repair(ctx, jobs.RepairRequest{Workstations: c.Workstation, DryRun: c.DryRun}, func(r jobs.RepairResult) {
		results = append(results, c.result(r))
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
		if c.Format == "text" {
			c.tell(a, r)
		}
	})
	if c.Format == "json" && (err == nil || len(results) > 0) { // what was done before an interruption was done
		err = errors.Join(err, writeJSON(a.Stdout, results))
	}
	if err != nil {
		return fmt.Errorf("repair-acl: %w", err)
	}
	if c.Format == "text" && len(results) == 0 {
		fmt.Fprintln(a.Stdout, "no workstation is known to have a key that users may write")
	}
	if len(failed) == 0 {
		return nil
	}
	return withExit(personCode(failed), nil)
}

func (c *repairCommand) result(r jobs.RepairResult) repairResult {
	out := repairResult{Workstation: r.Workstation.Host, State: c.state(r), Found: openKeys(r.Found), Left: openKeys(r.Left), Steps: r.Steps}
	if r.Err != nil {
		out.Reason, out.Detail = photopush.ReasonOf(r.Err), photopush.Detail(r.Err)
	}
	return out
}

func (c *repairCommand) state(r jobs.RepairResult) string {
	switch {
	case r.Err != nil:
		return "failed"
	case len(r.Steps) > 0:
		return "would change"
	case len(r.Found) > 0:
		return "closed"
	}
	return "nothing open"
}

// tell prints a workstation: what is open there, and what became of it.
func (c *repairCommand) tell(a *app, r jobs.RepairResult) {
	host := r.Workstation.Host
	for _, f := range r.Found {
		fmt.Fprintf(a.Stdout, "%s: found: %s\n", host, accountpicture.InWords(f))
	}
	switch {
	case r.Err != nil:
		fmt.Fprintf(a.Stderr, "photopush: repair-acl %s: %s: %v\n", host, photopush.ReasonOf(r.Err), photopush.Detail(r.Err))
		if do := photopush.Remedy(r.Err); do != "" {
			fmt.Fprintf(a.Stderr, "    %s\n", do)
		}
		return
	case len(r.Steps) > 0:
		fmt.Fprintf(a.Stdout, "%s: would do this:\n", host)
		for _, step := range r.Steps {
			fmt.Fprintf(a.Stdout, "    %s\n", step)
		}
	case len(r.Found) > 0:
		fmt.Fprintf(a.Stdout, "%s: closed, and read back\n", host)
	default:
		fmt.Fprintf(a.Stdout, "%s: nothing is open\n", host)
		return
	}
	fmt.Fprintf(a.Stdout, "%s: a group policy that sets these permissions sets them again: remove it first\n", host)
}
