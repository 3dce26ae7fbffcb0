package simwin

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/photopush/photopush"
)

// A Verdict is what a workstation shows, judged as Windows would see it: by values, files and pixels, never by what anybody said.
type Verdict struct {
	Broken   []Finding // what Windows would show wrongly, or not at all; none on a sound workstation
	Leftover []string  // paths of files in our folders that no value names, and of unfinished ones in State: they cost room, and break nothing
	Journals []string  // paths of journals: the permissions of a key are open until the next run; none where an undisturbed run was the last
	Users    []Shown   // every SID below AccountPicture\Users, in the order of the registry
}

// A Finding is one broken value, or a file of ours that shows somebody else.
type Finding struct {
	SID   photopush.SID
	Value string // Image96; empty for a file that no value names
	Path  string // what the value names, or where the file lies
	Why   string
}

func (f Finding) String() string { return fmt.Sprintf("%s %s %q %s", f.SID, f.Value, f.Path, f.Why) }

// Shown is the picture of one user.
type Shown struct {
	SID      photopush.SID
	Ours     bool   // every value names a file in our folder of this user; false without values
	Complete bool   // all eleven values of Windows 10 and 11 are there, and none is broken
	Digest   string // the digest of the picture set, when all values name files of ours of the same one; else empty
	Number   uint32 // what all the pictures show, where Readable
	Readable bool   // all pictures show one number; always false of CheckIntact
	Expected bool   // what is shown is what should be: see Checker.Check; says nothing after CheckIntact
}

// Shown returns what is shown of a user; false for one without a key.
func (v Verdict) Shown(sid photopush.SID) (Shown, bool) {
	i := slices.IndexFunc(v.Users, func(s Shown) bool { return strings.EqualFold(string(s.SID), string(sid)) })
	if i < 0 {
		return Shown{}, false
	}
	return v.Users[i], true
}

// Expect says what should be shown of a user: the number in his photo, 0 where nobody knows, and whether he should have our picture.
type Expect func(sid photopush.SID) (number uint32, want bool)

// A Checker judges workstations. It remembers pictures that it has seen, so that many workstations with the same people cost little.
// It is safe for concurrent use.
type Checker struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]picture
}

// NewChecker returns a Checker that has seen nothing.
func NewChecker() *Checker { return &Checker{seen: map[[sha256.Size]byte]picture{}} }

// Check judges one workstation; see Checker.Check.
func (m *Machine) Check(expect Expect) Verdict { return NewChecker().Check(m, expect) }

// CheckIntact judges one workstation whose pictures are no badges: values and files alone, not whom they show.
func (m *Machine) CheckIntact() Verdict { return NewChecker().Check(m, nil) }

// Check judges every Image value of every SID: it is a REG_SZ that names an existing, complete, square JPEG; one of ours lies in the
// folder of this SID, has the size in the value's name or, where the set is smaller, that of its largest picture, and shows the
// user's number. A picture that Windows made may have any size and show anybody. A user is as expected when he wants our picture and has
// it in all eleven sizes, or when he wants none and no value names a file of ours. A nil expect looks at no pixels. What is left in State
// is told, too; whether the permissions of keys are what they were, KeyPermissions tells.
func (c *Checker) Check(m *Machine, expect Expect) Verdict {
	var v Verdict
	for _, u := range m.accounts() {
		v.judge(c, u, expect)
	}
	v.judgeState(m)
	return v
}

// judge adds what is to be said of one user.
func (v *Verdict) judge(c *Checker, a accountView, expect Expect) {
	number, want := uint32(0), false
	if expect != nil {
		number, want = expect(a.sid)
	}
	named := map[string]bool{}
	shown := Shown{SID: a.sid, Ours: len(a.values) > 0, Complete: a.complete(), Readable: len(a.values) > 0 && expect != nil}
	anyOurs := false
	for i, f := range a.values {
		named[fold(f.path)] = true
		p, err := a.value(c, f, expect != nil, number)
		if err != nil {
			v.Broken = append(v.Broken, Finding{a.sid, f.value, f.path, err.Error()})
			shown.Complete = false
		}
		digest, ours := a.digest(f.path)
		anyOurs = anyOurs || ours
		shown.Ours = shown.Ours && ours
		shown.Readable = shown.Readable && p.badge && (i == 0 || p.number == shown.Number)
		if i == 0 {
			shown.Digest, shown.Number = digest, p.number
		} else if digest != shown.Digest {
			shown.Digest = ""
		}
	}
	if !shown.Readable {
		shown.Number = 0
	}
	shown.Expected = !want && !anyOurs || want && shown.Ours && shown.Complete && shown.Readable && shown.Number == number
	if a.key {
		v.Users = append(v.Users, shown)
	}
	v.judgeFiles(c, a, named, number)
}

// judgeFiles looks at the files of ours that no value names.
func (v *Verdict) judgeFiles(c *Checker, a accountView, named map[string]bool, number uint32) {
	var left []string
	for folded, path := range a.paths {
		if !named[folded] {
			left = append(left, path)
		}
	}
	slices.Sort(left)
	for _, path := range left {
		v.Leftover = append(v.Leftover, path)
		if p := c.look(a.files[fold(path)]); number != 0 && p.badge && p.number != number {
			v.Broken = append(v.Broken, Finding{a.sid, "", path, fmt.Sprintf("shows %d in the folder of %d", p.number, number)})
		}
	}
}

// complete tells whether all values of Windows 10 and 11 are there.
func (a accountView) complete() bool {
	for _, size := range PictureSizes {
		if !slices.ContainsFunc(a.values, func(f namedFile) bool { return sizeOf(f.value) == size }) {
			return false
		}
	}
	return true
}

// value judges one value with its file. The error is for people.
func (a accountView) value(c *Checker, f namedFile, pixels bool, number uint32) (picture, error) {
	switch {
	case f.reg.Type != RegSZ:
		return picture{}, fmt.Errorf("is of type %d, want %d (REG_SZ)", f.reg.Type, RegSZ)
	case sizeOf(f.value) < 0:
		return picture{}, errors.New("has a name without a size")
	case !f.there:
		return picture{}, errors.New("names no file")
	}
	p := c.look(f.data)
	if p.why != "" {
		return p, errors.New(p.why)
	}
	digest, ours := a.digest(f.path)
	if _, below := cutFold(f.path, a.ours+`\`); below && !ours {
		return p, errors.New("lies in our folder, but is no picture of ours for this user")
	}
	if want := min(sizeOf(f.value), a.largest(c, digest)); ours && p.side != want {
		return p, fmt.Errorf("has %d pixels, want %d", p.side, want)
	}
	if ours && pixels && !p.badge {
		return p, errors.New("shows nobody")
	}
	if ours && pixels && number != 0 && p.number != number {
		return p, fmt.Errorf("shows %d, want %d", p.number, number)
	}
	return p, nil
}

// digest is that of a picture set in the name of a file of ours for this user.
func (a accountView) digest(path string) (digest string, ours bool) {
	name, below := cutFold(path, a.folder+`\`)
	if !below || !pictureName.MatchString(name) {
		return "", false
	}
	return name[:32], true
}

// largest is the size of the largest picture of a set in our folder.
func (a accountView) largest(c *Checker, digest string) int {
	most := 0
	for folded, path := range a.paths {
		if d, ours := a.digest(path); ours && d == digest {
			most = max(most, c.look(a.files[folded]).side)
		}
	}
	return most
}
