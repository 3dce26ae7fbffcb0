package photoimport

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
)

// A person is somebody in scope.
type person struct {
	photopush.User
	dir   Directory
	texts map[string][]string
	files []int // that are his
}

// value is an attribute that has one value; of several nobody could tell which one a file is named by.
func (p *person) value(attribute string) string {
	switch strings.ToLower(attribute) {
	case "samaccountname":
		return p.AccountName
	case "userprincipalname":
		return p.UPN
	case "displayname":
		return p.DisplayName
	case "objectsid":
		return string(p.SID)
	case "objectguid":
		return string(p.GUID)
	}
	if v := p.texts[attribute]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// readPeople reads everybody in scope of every domain.
func (im *Importer) readPeople(ctx context.Context, attributes []string) ([]person, error) {
	var people []person
	for _, d := range im.Domains {
		err := d.People(ctx, attributes, func(u photopush.User, texts map[string][]string) error {
			people = append(people, person{User: u, dir: d, texts: texts})
			im.observe(ReadingPeople, len(people), 0)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", d.Name(), err)
		}
	}
	slices.SortFunc(people, func(a, b person) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.AccountName), strings.ToLower(b.AccountName)), strings.Compare(a.Domain, b.Domain))
	})
	return people, nil
}

// An index finds people by what a file says.
type index map[string][]int

func (x index) add(key string, i int) {
	if key != "" && !slices.Contains(x[key], i) {
		x[key] = append(x[key], i)
	}
}

// byPattern finds people by the names of files.
func byPattern(people []person, p *filematch.Pattern) index {
	x := index{}
	for i := range people {
		for _, key := range keys(p, people[i].value) {
			x.add(key, i)
		}
	}
	return x
}

// byName finds people by what a list calls them: an attribute, or with none any name that a push takes.
func byName(people []person, attribute string, domains labels) index {
	x := index{}
	own := domains.own()
	for i := range people {
		p := &people[i]
		if attribute != "" {
			x.add(filematch.Fold(p.value(attribute)), i)
			continue
		}
		for _, name := range []string{p.AccountName, p.UPN, string(p.SID), p.AccountName + "@" + p.Domain} {
			x.add(filematch.Fold(name), i)
		}
		for _, label := range own[p.dir] {
			x.add(filematch.Fold(label+`\`+p.AccountName), i)
		}
	}
	return x
}

// match says whose each file is. What is not clear becomes a row.
func (s *source) match(people []person, p *filematch.Pattern, domains labels) (rows []Row) {
	var x index
	if s.list != nil {
		x = byName(people, s.list.attribute, domains)
	} else {
		x = byPattern(people, p)
	}
	for i := range s.files {
		f := &s.files[i]
		key, why := s.key(f, p)
		if why != "" {
			rows = append(rows, Row{Status: Ignored, File: shown(f.name), Detail: why})
			continue
		}
		if of := domains.meant(f.who); len(of) > 1 {
			detail := fmt.Sprintf("line %d: whom %s means is not clear, for %s may be called so: name the domain by its DNS name", f.line, shown(f.who), list3(of))
			rows = append(rows, Row{Status: Ambiguous, File: shown(f.name), Detail: detail})
			continue
		}
		switch found := x[key]; len(found) {
		case 0:
			detail := ""
			if s.list != nil {
				detail = fmt.Sprintf("line %d: nobody in scope is called %s", f.line, shown(f.who))
			}
			rows = append(rows, Row{Status: NoUser, File: shown(f.name), Detail: detail})
		case 1:
			people[found[0]].files = append(people[found[0]].files, i)
		default:
			rows = append(rows, Row{Status: Ambiguous, File: shown(f.name), Detail: "it fits " + several(people, found)})
		}
	}
	rows = append(rows, s.shared(people)...)
	for i := range people {
		rows = append(rows, s.competing(&people[i])...)
	}
	return rows
}

// key is what a file's person is found by; why says what keeps the file from being looked at.
func (s *source) key(f *file, p *filematch.Pattern) (key, why string) {
	if s.list != nil {
		return filematch.Fold(f.who), ""
	}
	name := path.Base(f.name)
	if p.Extension() == "" && !looksLikePhoto(name) {
		return "", "its extension is not one of photos"
	}
	key, ok := p.FileKey(name)
	switch {
	case !ok:
		return "", "it is not named as the pattern says"
	case isNobodys(key):
		return "", "an export names so what is not to be imported: a further photo of one person, or that of one whose name is like another's"
	}
	return key, ""
}

// shared takes files away that a list gives to two persons. Names that differ only in capitals may be of one file, and are taken for that.
func (s *source) shared(people []person) (rows []Row) {
	if s.list == nil {
		return nil
	}
	owners := map[string][]int{}
	for i := range people {
		for _, f := range people[i].files {
			place := filematch.Fold(s.files[f].place)
			owners[place] = append(owners[place], i)
		}
	}
	for place, of := range owners {
		slices.Sort(of)
		if of = slices.Compact(of); len(of) < 2 {
			continue
		}
		for _, i := range of {
			var kept []int
			for _, f := range people[i].files {
				if filematch.Fold(s.files[f].place) != place {
					kept = append(kept, f)
					continue
				}
				rows = append(rows, Row{Status: Ambiguous, User: people[i].User, File: shown(s.files[f].name), Detail: "the list gives it to " + several(people, of)})
			}
			people[i].files = kept
		}
	}
	return rows
}

// competing takes the files of a person away who has more than one; a list may name the same file twice.
func (s *source) competing(p *person) (rows []Row) {
	if s.list != nil {
		met := map[string]bool{}
		p.files = slices.DeleteFunc(p.files, func(f int) bool {
			again := met[s.files[f].place]
			met[s.files[f].place] = true
			return again
		})
	}
	if len(p.files) < 2 {
		return nil
	}
	names := make([]string, len(p.files))
	for i, f := range p.files {
		names[i] = shown(s.files[f].name)
	}
	for _, f := range p.files {
		rows = append(rows, Row{Status: Ambiguous, User: p.User, File: shown(s.files[f].name), Detail: "the person has " + list3(names)})
	}
	p.files = nil
	return rows
}

func several(people []person, which []int) string {
	names := make([]string, len(which))
	for i, w := range which {
		names[i] = people[w].AccountName + " (" + people[w].Domain + ")"
	}
	return list3(names)
}

// list3 is a, b and c, or a, b, c and 4 more.
func list3(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
