package report

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/photopush/photopush"
)

// A PhotoState says in a word what photo somebody has.
type PhotoState string

const (
	PhotoGood    PhotoState = "good"
	PhotoLow     PhotoState = "low"     // its short side is below photopush.LowResolution
	PhotoBroken  PhotoState = "broken"  // none of his can be decoded
	PhotoMissing PhotoState = "missing" // he has none
	PhotoUnread  PhotoState = "unread"  // it could not be looked at
)

// PhotoStates lists them: what is well first.
func PhotoStates() []PhotoState {
	return []PhotoState{PhotoGood, PhotoLow, PhotoBroken, PhotoMissing, PhotoUnread}
}

// Photos tells who has a photo. It holds no more than a row at a time, and counts for each organizational unit.
type Photos struct {
	// People yields everybody in scope; it is asked anew for each output, and twice for text.
	People iter.Seq2[photopush.UserRecord, error]
	// Only limits the rows to these states, but not the counts; none for all. With PhotoBroken come people of whose photos one is broken, too.
	Only []PhotoState
}

// A PhotoRow is one person. Its texts hold no control characters.
type PhotoRow struct {
	User        string // sAMAccountName
	DisplayName string
	SID         photopush.SID
	Domain      string
	OU          string // distinguished name of the container the account lies in
	State       PhotoState
	Source      string // jpegPhoto, thumbnailPhoto, or file; empty without a photo that is used
	Format      string // JPEG, PNG, …
	Width       int    // px of the upright photo
	Height      int
	Bytes       int
	Detail      string // what is wrong with it, or with another one of his
}

// PhotoCounts count people by the state of their photo; every state is there.
type PhotoCounts map[PhotoState]int

func newPhotoCounts() PhotoCounts {
	c := PhotoCounts{}
	for _, state := range PhotoStates() {
		c[state] = 0
	}
	return c
}

// A PhotoSummary counts people whose accounts are enabled.
type PhotoSummary struct {
	People   int
	States   PhotoCounts
	Faulty   int                    // people who have a photo that is used, and another one that cannot be
	Disabled int                    // disabled accounts, which no row tells of
	OUs      map[string]PhotoCounts // by distinguished name
}

// each hands the rows that are asked for to show, and counts everybody; show may be nil.
func (p *Photos) each(show func(PhotoRow) error) (PhotoSummary, error) {
	sum := PhotoSummary{States: newPhotoCounts(), OUs: map[string]PhotoCounts{}}
	for u, err := range p.People {
		if err != nil {
			return sum, err
		}
		if !u.Enabled {
			sum.Disabled++
			continue
		}
		row := makePhotoRow(u)
		sum.add(row)
		if show != nil && p.shows(row) {
			if err := show(row); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

func (s *PhotoSummary) add(row PhotoRow) {
	s.People++
	s.States[row.State]++
	if s.OUs[row.OU] == nil {
		s.OUs[row.OU] = newPhotoCounts()
	}
	s.OUs[row.OU][row.State]++
	if row.faulty() {
		s.Faulty++
	}
}

// Summary counts everybody.
func (p *Photos) Summary() (PhotoSummary, error) { return p.each(nil) }

func (p *Photos) shows(row PhotoRow) bool {
	return len(p.Only) == 0 || slices.Contains(p.Only, row.State) || row.faulty() && slices.Contains(p.Only, PhotoBroken)
}

// faulty tells whether a photo is used and another one of the person cannot be.
func (r PhotoRow) faulty() bool { return r.Source != "" && r.Detail != "" }

func makePhotoRow(u photopush.UserRecord) PhotoRow {
	return PhotoRow{
		User: clean(cmp.Or(u.AccountName, string(u.SID))), DisplayName: clean(u.DisplayName), SID: u.SID, Domain: clean(u.Domain), OU: clean(u.OU()),
		State: photoState(u), Source: clean(u.Photo.Source), Format: clean(u.Photo.Format), Width: u.Photo.Width, Height: u.Photo.Height, Bytes: u.Photo.Bytes,
		Detail: clean(u.PhotoDetail),
	}
}

func photoState(u photopush.UserRecord) PhotoState {
	switch {
	case u.PhotoReason == photopush.NoPhoto:
		return PhotoMissing
	case u.PhotoReason == photopush.BadPhoto:
		return PhotoBroken
	case u.Digest == "" || u.Photo.Source == "": // or an older version has stored it, which kept no facts
		return PhotoUnread
	case u.Photo.Low():
		return PhotoLow
	}
	return PhotoGood
}

// A unit is an organizational unit by the name it is shown with.
type unit struct{ name, dn string }

// units are in the order of their names: Sales/Laptops, with the domain before it where there are several, and the domain alone for its root.
func (s *PhotoSummary) units() []unit {
	var all []unit
	domains := map[string]bool{}
	for dn := range s.OUs {
		domain := domainOf(dn)
		domains[domain] = true
		all = append(all, unit{strings.Trim(domain+"/"+path(dn), "/"), dn})
	}
	for i, u := range all {
		if name := path(u.dn); len(domains) == 1 && name != "" {
			all[i].name = name
		}
	}
	slices.SortFunc(all, func(a, b unit) int { return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.dn, b.dn)) })
	return all
}

// domainOf is the DNS name that a distinguished name ends with: corp.example.
func domainOf(dn string) string {
	var labels []string
	for dn != "" {
		var part string
		part, dn = firstPart(dn)
		if key, value, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(key), "DC") {
			labels = append(labels, value)
		}
	}
	return strings.Join(labels, ".")
}
