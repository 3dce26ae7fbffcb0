package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	photopush "github.com/photopush/photopush"
)

// find finds the user in the domain that knows him, with the photos that its directory has of him now.
func (j *Jobs) find(ctx context.Context, name string) (photopush.User, []photopush.Photo, error) {
	type person struct {
		photopush.User
		photos []photopush.Photo
	}
	bare := !strings.ContainsAny(name, `\@`) && !strings.HasPrefix(strings.ToUpper(name), "S-1-")
	p, err := inDomains(j, name, bare, photopush.ErrUnknownUser, func(d *Domain) (p person, err error) {
		err = j.asReader(ctx, d, func() (err error) {
			p.User, p.photos, err = d.Directory.User(ctx, name)
			return err
		})
		return p, err
	}, func(p person) string { return p.AccountName + "@" + p.Domain })
	return p.User, p.photos, err
}

// readWorkstation finds the workstation in the directory that knows it, and stores it.
func (j *Jobs) readWorkstation(ctx context.Context, name string) (photopush.Workstation, error) {
	bare := !strings.Contains(name, ".")
	w, err := inDomains(j, name, bare, photopush.ErrUnknownWorkstation, func(d *Domain) (w photopush.Workstation, err error) {
		err = j.asReader(ctx, d, func() (err error) {
			w, err = d.Directory.Workstation(ctx, name)
			return err
		})
		return w, err
	}, func(w photopush.Workstation) string { return cmp.Or(w.Host, w.Name+"."+w.Domain) })
	if err != nil {
		return photopush.Workstation{}, err
	}
	return w, j.Store.PutWorkstations(ctx, 0, []photopush.Workstation{w})
}

// inDomains asks the domains who has the name. Where the name says which domain it means, that one is asked first, and no other one as soon as one knows
// it; a bare name may stand in several domains, so that all are asked, and it must stand in one of them only. called is how to name what
// was found without a doubt. That nobody has the name counts only when every domain says so.
func inDomains[T any](j *Jobs, name string, bare bool, unknown error, ask func(*Domain) (T, error), called func(T) string) (found T, err error) {
	var names []string
	var errs []error
	for _, d := range j.byName(name) {
		one, err := ask(d)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case !bare:
			return one, nil
		}
		found, names = one, append(names, called(one))
	}
	var none T
	switch len(names) {
	case 0:
		return none, worst(errs, unknown)
	case 1:
		if err := worst(errs, unknown); err != nil && !errors.Is(err, unknown) {
			j.Log.Warn("a domain could not be asked whether the name stands there too", "name", name, "found", names[0], "err", err)
		}
		return found, nil
	}
	return none, fmt.Errorf("%w by just that name: %s may be %s", unknown, name, strings.Join(names, " or "))
}

// byName are the domains, those first that the name means: DOMAIN\account, account@domain or host.domain.
func (j *Jobs) byName(name string) []*Domain {
	list := slices.Clone(j.Domains)
	slices.SortStableFunc(list, func(a, b *Domain) int {
		switch x, y := a.meant(name), b.meant(name); {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	return list
}

// meant tells whether a name looks as if it were of the domain. The NetBIOS name is mostly the first label of the DNS name; where it is not, the
// directory of each domain knows its own.
func (d *Domain) meant(name string) bool {
	if before, _, ok := strings.Cut(name, `\`); ok {
		label, _, _ := strings.Cut(d.Name, ".")
		return strings.EqualFold(before, label) || strings.EqualFold(before, d.Name)
	}
	if _, after, ok := strings.Cut(name, "@"); ok {
		return strings.EqualFold(after, d.Name)
	}
	_, after, _ := strings.Cut(name, ".")
	return strings.EqualFold(after, d.Name)
}

// worst is the error that says most: that nobody has the name counts only when every domain says so. Nil for none.
func worst(errs []error, unknown error) error {
	other := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, unknown) })
	switch {
	case len(other) > 0:
		return errors.Join(other...)
	case len(errs) > 0:
		return errs[0]
	}
	return nil
}
