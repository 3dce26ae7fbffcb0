package accountpicture

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
)

// A station is a workstation in memory that does what docs/script.md says of the verbs; inv is what is there. It fails the test at any
// instant at which a value names a file of ours that is not complete, unless it did so from the beginning.
type station struct {
	inv  *photopush.Inventory
	kept map[photopush.SID][]photopush.Value // by save_original
	gone map[string]bool                     // files of others that are not there
	held map[photopush.SID]bool              // keys in which there is more than Image values
	deny map[photopush.SID]bool              // keys that take a temporary entry to be written
	hurt map[string]bool                     // data of values that named no complete file from the beginning
}

func newStation(inv *photopush.Inventory) *station {
	s := &station{inv: inv, kept: map[photopush.SID][]photopush.Value{}, gone: map[string]bool{}, held: map[photopush.SID]bool{}, deny: map[photopush.SID]bool{}, hurt: map[string]bool{}}
	s = s.clone()
	for i, a := range s.inv.Accounts {
		if a.ACL == "" && a.State != photopush.StateAbsent {
			s.inv.Accounts[i].ACL = windowsUsers
		}
		for _, v := range a.Values {
			if !s.whole(a, v) {
				s.hurt[v.Data] = true
			}
		}
	}
	return s
}

// clone is another workstation in the same state.
func (s *station) clone() *station {
	inv := *s.inv
	inv.Accounts = slices.Clone(inv.Accounts)
	for i := range inv.Accounts {
		inv.Accounts[i].Values = slices.Clone(inv.Accounts[i].Values)
		inv.Accounts[i].Files = slices.Clone(inv.Accounts[i].Files)
	}
	return &station{&inv, maps.Clone(s.kept), maps.Clone(s.gone), maps.Clone(s.held), maps.Clone(s.deny), maps.Clone(s.hurt)}
}

// run answers verbs until the one before which it should stop; -1 for none. It ends at a failure.
func (s *station) run(t *testing.T, verbs []Verb, stop int) (answers []Answer) {
	t.Helper()
	for i, v := range verbs {
		if i == stop {
			return append(answers, Answer{Verb: v.Name(), Reason: photopush.Denied, HResult: 0x80070005, Where: "Set-PictureValue"})
		}
		a := s.do(t, v)
		a.Verb, a.SID = v.Name(), v.User()
		if a.Where == "" {
			a.OK = true
		}
		answers = append(answers, a)
		s.check(t)
		if !a.OK {
			break
		}
	}
	return answers
}

// check wants every value of ours to name a complete file, but for those of the beginning.
func (s *station) check(t *testing.T) {
	t.Helper()
	for _, a := range s.inv.Accounts {
		for _, v := range a.Values {
			if !s.whole(a, v) && !s.hurt[v.Data] {
				t.Fatalf("%s of %s names %s, which is not complete", v.Name, a.SID, v.Data)
			}
		}
	}
}

// whole tells whether a value names a complete file, or is not ours.
func (s *station) whole(a photopush.Account, v photopush.Value) bool {
	name, _, ok := ours(s.inv, a.SID, v)
	f := findFile(a, name)
	return !ok || f != nil && intact(*f)
}

func conflict(where string) Answer { return Answer{Reason: photopush.Conflict, Where: where} }

func (s *station) do(t *testing.T, v Verb) Answer {
	t.Helper()
	a := s.inv.Account(v.User())
	a.Values = slices.Clone(a.Values) // what follows changes those of the account
	expects := func(state string) bool { return a.State == state }
	switch v := v.(type) {
	case Recover:
		var undone []Undone
		for i := range s.inv.Accounts {
			if one := &s.inv.Accounts[i]; one.Journal {
				one.Journal = false
				undone = append(undone, Undone{one.SID, one.ACL, one.ACL})
			}
		}
		return Answer{Undone: undone}
	case PutFile:
		if findFile(a, v.File) != nil {
			t.Fatalf("%s is written over", v.File)
		}
		s.edit(v.SID, func(a *photopush.Account) {
			a.Files = append(a.Files, photopush.File{Name: v.File, Length: int64(len(v.Bytes)), SHA256: v.SHA256})
			slices.SortFunc(a.Files, func(x, y photopush.File) int { return strings.Compare(x.Name, y.Name) })
		})
		s.inv.FreeBytes -= int64(len(v.Bytes))
		return Answer{File: v.File, SHA256: v.SHA256, New: true}
	case SaveOriginal:
		switch {
		case !expects(v.State):
			return conflict("state")
		case Original(s.inv, v.SID) == nil:
			return conflict("ours")
		}
		s.kept[v.SID] = slices.Clone(a.Values)
		s.edit(v.SID, func(a *photopush.Account) { a.Saved = v.State })
		return Answer{State: v.State}
	case SetValues:
		if !expects(v.State) {
			return conflict("state")
		}
		for _, n := range v.Values {
			if f := findFile(a, n.File); f == nil || !intact(*f) {
				return conflict("file")
			}
		}
		return s.write(v, v.Rungs, func() {
			for _, n := range v.Values {
				s.set(t, v.SID, n.Value, folder(s.inv, v.SID)+`\`+n.File)
			}
		})
	case DeleteValues:
		if !expects(v.State) {
			return conflict("state")
		}
		for _, name := range v.Values {
			if !slices.ContainsFunc(a.Values, func(o photopush.Value) bool { return o.Name == name && deletable(s.inv, v.SID, o) }) {
				return conflict("ours")
			}
		}
		return s.write(v, v.Rungs, func() {
			for _, name := range v.Values {
				s.unset(t, v.SID, name)
			}
		})
	case RestoreOriginal:
		return s.restore(t, v, a)
	case DeleteFiles:
		return s.deleteFiles(v, a)
	case TightenACL:
		return Answer{Before: s.inv.UsersACL, After: s.inv.UsersACL}
	}
	t.Fatalf("the station knows no %T", v)
	return Answer{}
}

func (s *station) restore(t *testing.T, v RestoreOriginal, a photopush.Account) Answer {
	t.Helper()
	switch {
	case a.Saved != v.Saved:
		return conflict("original")
	case a.State != v.State:
		return conflict("state")
	}
	back, missing := map[string]string{}, []string(nil)
	for _, o := range s.kept[v.SID] {
		switch {
		case s.there(v.SID, o):
			back[o.Name] = o.Data
		case o.Kind == kindString:
			missing = append(missing, o.Name)
		}
	}
	var answer Answer
	if a.State != photopush.StateAbsent || len(back) > 0 {
		answer = s.write(v, v.Rungs, func() {
			for _, name := range ValueNames {
				if data, ok := back[name]; ok {
					s.set(t, v.SID, name, data)
				}
			}
			for _, o := range a.Values {
				if _, ok := back[o.Name]; !ok {
					s.unset(t, v.SID, o.Name)
				}
			}
		})
	} else {
		answer = Answer{Rung: string(RungPlain), State: a.State}
	}
	if answer.Where != "" {
		return answer
	}
	if v.Saved == photopush.StateAbsent && answer.Rung == string(RungPlain) && len(answer.Values) == 0 && !s.held[v.SID] {
		s.edit(v.SID, func(a *photopush.Account) { a.State, a.ACL = photopush.StateAbsent, "" })
		answer.State = photopush.StateAbsent
	}
	delete(s.kept, v.SID)
	s.edit(v.SID, func(a *photopush.Account) { a.Saved = "" })
	answer.Missing = missing
	return answer
}

// there tells whether a value that is kept could be put back.
func (s *station) there(sid photopush.SID, v photopush.Value) bool {
	return v.Kind == kindString && plainPath.MatchString(v.Data) && !inFolder(s.inv, sid, v.Data) && !s.gone[v.Data]
}

func (s *station) deleteFiles(v DeleteFiles, a photopush.Account) Answer {
	if a.State != v.State {
		return conflict("state")
	}
	for _, value := range a.Values {
		parts := strings.FieldsFunc(value.Data, func(r rune) bool { return r == '\\' || r == '/' })
		if len(parts) > 0 && slices.ContainsFunc(v.Files, func(f string) bool { return strings.EqualFold(f, parts[len(parts)-1]) }) {
			return conflict("named")
		}
	}
	s.edit(v.SID, func(a *photopush.Account) {
		a.Files = slices.DeleteFunc(a.Files, func(f photopush.File) bool { return slices.Contains(v.Files, f.Name) })
	})
	return Answer{Deleted: v.Files}
}

// write lets change write the values of the verb's user, by the rights ladder.
func (s *station) write(v Verb, rungs Rungs, change func()) Answer {
	a := s.inv.Account(v.User())
	answer := Answer{Rung: string(RungPlain)}
	if s.deny[v.User()] && a.State != photopush.StateAbsent {
		if rungs != RungsToEntry {
			return Answer{Reason: photopush.Denied, HResult: 0x8013150a, Where: "open-key"}
		}
		answer = Answer{Rung: rungACE, Before: a.ACL, After: a.ACL}
	}
	s.edit(v.User(), func(a *photopush.Account) {
		if a.State == photopush.StateAbsent {
			a.State = State(nil)
		}
	})
	change()
	after := s.inv.Account(v.User())
	answer.State, answer.Values = after.State, slices.Clone(after.Values)
	return answer
}

func (s *station) set(t *testing.T, sid photopush.SID, name, data string) {
	t.Helper()
	s.edit(sid, func(a *photopush.Account) {
		a.Values = slices.DeleteFunc(a.Values, func(v photopush.Value) bool { return v.Name == name })
		a.Values = append(a.Values, photopush.Value{Name: name, Kind: kindString, Data: data})
		slices.SortFunc(a.Values, func(x, y photopush.Value) int {
			return slices.Index(ValueNames, x.Name) - slices.Index(ValueNames, y.Name)
		})
		a.State = State(a.Values)
	})
	s.check(t)
}

func (s *station) unset(t *testing.T, sid photopush.SID, name string) {
	t.Helper()
	s.edit(sid, func(a *photopush.Account) {
		a.Values = slices.DeleteFunc(a.Values, func(v photopush.Value) bool { return v.Name == name })
		a.State = State(a.Values)
	})
	s.check(t)
}

// edit changes an account, and then what the inventory tells of the files of others.
func (s *station) edit(sid photopush.SID, change func(*photopush.Account)) {
	edit(s.inv, sid, change)
	edit(s.inv, sid, func(a *photopush.Account) {
		a.Earlier, a.Changed = 0, time.Time{}
		if a.ACL == "" && a.State != photopush.StateAbsent {
			a.ACL = windowsUsers // as the key inherits from the one above
		}
		for _, v := range s.kept[sid] {
			if s.there(sid, v) {
				a.Earlier++
			}
		}
		for _, v := range a.Values {
			if s.there(sid, v) {
				a.Changed = time.Unix(1700000000, 0)
			}
		}
	})
}
