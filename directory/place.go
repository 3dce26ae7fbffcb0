package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A place is how far the history of a domain is known. It is kept between passes as JSON, and read back as something that anybody may
// have written.
type place struct {
	Version  int     `json:"version"`
	Method   string  `json:"method"`              // dirsync or usn
	Scope    string  `json:"scope"`               // digest of what was watched
	Cookie   []byte  `json:"cookie,omitempty"`    // dirsync: what a controller gave
	Counts   []count `json:"counts,omitempty"`    // usn: how far each controller's changes are known, the one that was asked last first
	Groups   []byte  `json:"groups,omitempty"`    // GUIDs of groups whose members decide who is in scope, 16 bytes each
	AnyGroup bool    `json:"any_group,omitempty"` // so do those of groups that are not listed
}

// A count is how far the changes of one controller are known.
type count struct {
	Invocation []byte `json:"invocation"` // invocationId of its database, 16 bytes
	USN        int64  `json:"usn"`        // the highest number that is known
}

const (
	placeVersion  = 1
	maxPlace      = 64 << 10 // bytes of JSON
	maxCounts     = 16       // controllers
	maxGroupsKept = 1000
)

// decodePlace reads a place. Its error says why the place is of no use.
func decodePlace(b []byte) (p place, err error) {
	if len(b) > maxPlace {
		return place{}, fmt.Errorf("it has %d bytes, want %d at most", len(b), maxPlace)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return place{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return place{}, errors.New("something follows it")
	}
	return p, p.check()
}

func (p place) check() error {
	switch {
	case p.Version != placeVersion:
		return fmt.Errorf("it is of version %d, want %d", p.Version, placeVersion)
	case p.Method == methodDirSync && len(p.Cookie) > 0 && len(p.Counts) == 0:
	case p.Method == methodUSN && len(p.Cookie) == 0 && len(p.Counts) > 0 && len(p.Counts) <= maxCounts:
	default:
		return errors.New("it is incomplete")
	}
	if len(p.Scope) > 64 {
		return errors.New("its scope is malformed")
	}
	if len(p.Groups)%len(rawGUID{}) != 0 || len(p.Groups) > maxGroupsKept*len(rawGUID{}) {
		return errors.New("its groups are malformed")
	}
	for _, c := range p.Counts {
		if len(c.Invocation) != len(rawGUID{}) || c.USN < 0 {
			return errors.New("its counts are malformed")
		}
	}
	return nil
}

// encode is the opposite of decodePlace; nil, with an error, where the place became too large to be kept.
func (p place) encode() ([]byte, error) {
	p.Version = placeVersion
	if err := p.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(p)
	if err == nil && len(b) > maxPlace {
		return nil, fmt.Errorf("it has %d bytes, want %d at most", len(b), maxPlace)
	}
	return b, err
}

// watches tells whether the members of a group decide who is in scope.
func (p place) watches(group rawGUID) bool { return p.AnyGroup || p.lists(group) }

// lists tells whether that is known of this one.
func (p place) lists(group rawGUID) bool {
	for known := p.Groups; len(known) > 0; known = known[len(group):] {
		if rawGUID(known[:len(group)]) == group {
			return true
		}
	}
	return false
}

// usn is the highest number of a controller's database that is known.
func (p place) usn(invocation rawGUID) (n int64, known bool) {
	for _, c := range p.Counts {
		if rawGUID(c.Invocation) == invocation {
			return c.USN, true
		}
	}
	return 0, false
}

// counted is the place with the number of one controller set. Those of the others stay what they were: what has changed since at any of them
// comprises what was told meanwhile.
func (p place) counted(invocation rawGUID, usn int64) place {
	counts := []count{{invocation[:], usn}}
	for _, c := range p.Counts {
		if rawGUID(c.Invocation) != invocation && len(counts) < maxCounts {
			counts = append(counts, c)
		}
	}
	p.Counts = counts
	return p
}
