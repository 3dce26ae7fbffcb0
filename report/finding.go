package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/photopush/photopush"
)

// A Finding is a permission that lets users write the keys of account pictures on a workstation. Its texts hold no control characters.
type Finding struct {
	Workstation string // as in Row
	Key         string // Users for the one that holds all users' keys, or the SID of the user whose key it is
	Trustee     string // SID
	Name        string // of the trustee, as people know it
	May         string // what it may do, in words
	Owner       bool   // it owns the key
	Inherited   bool   // it comes from the key Users, and is mended there
	Unclear     string // why the permissions cannot be judged; then Trustee, Name and May are empty
	SDDL        string // owner and DACL of the key
	Since       time.Time
}

// An Elsewhere is a value that names a file where none of ours lies, nor one of the user's own folder below Public.
type Elsewhere struct {
	Workstation string // as in Row
	User        string // as in Row
	SID         photopush.SID
	Value       string // Image96
	Path        string
	Kind        photopush.ElsewhereKind
	Since       time.Time
}

func (r *Report) addFindings(m Material) {
	r.Findings, r.Elsewhere = []Finding{}, []Elsewhere{}
	open, unclear, elsewhere := map[photopush.GUID]bool{}, map[photopush.GUID]bool{}, map[photopush.GUID]bool{}
	for _, f := range m.Findings {
		if f.Unclear == "" {
			open[f.Workstation.ID] = true
		} else {
			unclear[f.Workstation.ID] = true
		}
		r.Findings = append(r.Findings, Finding{hostName(f.Workstation), clean(f.Key), clean(f.Trustee), clean(f.Name), clean(f.May), f.Owner, f.Inherited,
			clean(f.Unclear), clean(f.SDDL), f.Found})
	}
	for _, e := range m.Elsewhere {
		elsewhere[e.Workstation.ID] = true
		r.Elsewhere = append(r.Elsewhere, Elsewhere{hostName(e.Workstation), clean(cmp.Or(e.Account, string(e.User))), e.User, clean(e.Value.Name),
			clean(e.Value.Data), e.Kind, e.Found})
	}
	r.Summary.OpenKeys, r.Summary.Unclear, r.Summary.Elsewhere = len(open), len(unclear), len(elsewhere)
}

func hostName(w photopush.Workstation) string { return clean(cmp.Or(w.Host, w.Name)) }

// notes are what people must know besides the rows, a line each.
func (r *Report) notes() (lines []string) {
	add := func(n int, line string, args ...any) {
		if n > 0 {
			lines = append(lines, fmt.Sprintf(line, args...))
		}
	}
	s := r.Summary
	add(s.Overwritten, "Others have replaced %s of ours: photopush stale --all tells whose, how often and by what.", count(s.Overwritten, "picture"))
	add(s.LowResolution, "The photo of %s has fewer than %d px a side, and looks blurred at sign-in: photopush photos --low lists whose.", count(s.LowResolution, "user"),
		photopush.LowResolution)
	add(s.OpenKeys, "The key is open on %s: photopush repair-acl --all --dry-run tells who may write there, and what would close it.", count(s.OpenKeys, "workstation"))
	add(s.Unclear, "Nobody can tell who may write the key on %s: photopush stale --format json has the permissions.", count(s.Unclear, "workstation"))
	far := 0
	for _, e := range r.Elsewhere {
		if e.Kind != photopush.ElsewhereLocal {
			far++
		}
	}
	add(s.Elsewhere, "Values on %s name files that are neither ours nor in the user's own folder, %d of them on a share or device: photopush stale --format csv lists them.",
		count(s.Elsewhere, "workstation"), far)
	return lines
}
