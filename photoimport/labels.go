package photoimport

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
)

// labels are the domains that each name before a backslash means, CORP and corp.example in CORP\ada and corp.example\ada. The names are folded.
type labels map[string][]Directory

// labels asks each domain for its NetBIOS name, when any of the files is called so. Where a domain cannot be asked, the first label of its DNS name is taken, which a
// NetBIOS name mostly is; a note tells of it. A name that would mean two domains then means neither.
func (im *Importer) labels(ctx context.Context, s *source) (all labels, notes []string, err error) {
	named := func(f file) bool { return strings.Contains(f.who, `\`) }
	if s.list == nil || s.list.attribute != "" || !slices.ContainsFunc(s.files, named) {
		return nil, nil, nil
	}
	all = labels{}
	for _, d := range im.Domains {
		name, err := d.NetBIOSName(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case isFatal(err):
			return nil, nil, fmt.Errorf("domain %s: %w", d.Name(), err)
		case name == "" || err != nil:
			name, _, _ = strings.Cut(d.Name(), ".")
			why := "the directory does not tell it"
			if err != nil {
				why = photopush.Detail(err)
			}
			notes = append(notes, fmt.Sprintf(`The NetBIOS name of %s is not known (%s): people of the list who are called %s\… are taken for its own.`, d.Name(), why, strings.ToUpper(name)))
		}
		all.add(d.Name(), d)
		all.add(name, d)
	}
	return all, notes, nil
}

func (l labels) add(name string, d Directory) {
	if key := filematch.Fold(name); !slices.Contains(l[key], d) {
		l[key] = append(l[key], d)
	}
}

// own are the names by which a list can mean one domain alone.
func (l labels) own() map[Directory][]string {
	own := map[Directory][]string{}
	for name, of := range l {
		if len(of) == 1 {
			own[of[0]] = append(own[of[0]], name)
		}
	}
	return own
}

// meant are the DNS names of the domains that somebody's name may be of; none for a name without a backslash, or with a name before it that is of no domain.
func (l labels) meant(who string) (names []string) {
	before, _, ok := strings.Cut(who, `\`)
	if !ok {
		return nil
	}
	for _, d := range l[filematch.Fold(before)] {
		names = append(names, d.Name())
	}
	return names
}
