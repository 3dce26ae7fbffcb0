package accountpicture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/photopush/photopush"
)

// TestPlanAnywhere plans from random starts to random wishes, and ends runs between any two verbs. After every verb each value names a complete
// file or is not ours (station.check); what Apply believes is what is there; and in the end everybody has what was wished.
func TestPlanAnywhere(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := randomStation(t, r)
		wishes := randomWishes(r, s)
		before := s.clone()
		for _, w := range wishes {
			if w.Restore { // over whatever is there
				edit(before.inv, w.User, func(a *photopush.Account) { a.Values = nil })
			}
		}
		opts := Options{TemporaryEntry: true}
		believed := s.clone().inv
		for round := 0; ; round++ {
			if round == 20 {
				t.Fatalf("seed %d: no end", seed)
			}
			verbs, err := Plan(believed, wishes, opts)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			encodable(t, verbs)
			if len(verbs) == 0 {
				break
			}
			ended := false
			for _, batch := range Batches(verbs) {
				if r.IntN(4) == 0 { // the run is ended after some of its verbs
					batch, ended = batch[:r.IntN(len(batch))], true
				}
				answers := s.run(t, batch, -1)
				believed, err = Apply(believed, batch, answers, time.Now())
				if diff := cmp.Diff(s.inv, believed, same...); diff != "" {
					t.Fatalf("seed %d: after %v, Apply (-there +believed):\n%s", seed, summary(batch), diff)
				}
				if f := failedAt(answers); f != "" && f != "restore_original delete_files state" {
					t.Fatalf("seed %d: %s in %v", seed, f, summary(batch))
				}
				if ended || err != nil {
					break
				}
			}
			if ended {
				believed = s.clone().inv // looked at anew
			}
			for i := range wishes {
				if wishes[i].Restore && believed.Account(wishes[i].User).Saved == "" { // done; his files may still be there
					wishes[i].Restore = false
				}
			}
		}
		for _, w := range wishes {
			checkWish(t, seed, before, s, w)
		}
	}
}

// same compares what is believed with what is there: of files of others, Apply tells no more than that they were there.
var same = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(photopush.Account{}, "Changed", "Earlier", "ACL")}

// failedAt names the verb before a failure, the verb that failed, and where; empty for no failure.
func failedAt(answers []Answer) string {
	for i, a := range answers {
		if !a.OK && i > 0 {
			return answers[i-1].Verb + " " + a.Verb + " " + a.Where
		} else if !a.OK {
			return a.Verb + " " + a.Where
		}
	}
	return ""
}

// checkWish wants the picture that was wished; or nothing of ours, and of others what was there or was kept.
func checkWish(t *testing.T, seed uint64, before, s *station, w Wish) {
	t.Helper()
	have := Have(s.inv, w.User)
	if w.Set != nil {
		if have != w.Set.Digest {
			t.Errorf("seed %d: %s has %q, want %s", seed, w.User, have, w.Set.Digest)
		}
		return
	}
	if have != photopush.HaveNothing && have != photopush.HaveOther {
		t.Errorf("seed %d: %s has %q, want nothing of ours", seed, w.User, have)
	}
	for _, v := range before.inv.Account(w.User).Values {
		if !inFolder(s.inv, w.User, v.Data) && !slices.Contains(s.inv.Account(w.User).Values, v) {
			t.Errorf("seed %d: %v of another is gone from %s", seed, v, w.User)
		}
	}
}

func randomWishes(r *rand.Rand, s *station) []Wish {
	var wishes []Wish
	for n := range 4 {
		w := Wish{User: testSID(n)}
		switch r.IntN(4) {
		case 0:
			w.Set = makeSet("one", 32, 96)
		case 1:
			w.Set = makeSet("two", 48, 192, 448)
		case 2:
			a := s.inv.Account(w.User)
			w.Restore = a.Saved != "" && a.Earlier > 0
		}
		wishes = append(wishes, w)
	}
	return wishes
}

func testSID(n int) photopush.SID { return photopush.SID(fmt.Sprintf("S-1-5-21-1-2-3-%d", 1001+n)) }

// randomStation has users of every kind: without a picture, with one of Windows, with ours, with a mixture of both, with leftovers.
func randomStation(t *testing.T, r *rand.Rand) *station {
	t.Helper()
	s := newStation(emptyInventory())
	s.inv.UsersACL = windowsUsers
	for n := range 4 {
		sid := testSID(n)
		if r.IntN(3) > 0 {
			s.edit(sid, func(a *photopush.Account) { a.Values = randomValues(r); a.State = State(a.Values) })
		}
		if r.IntN(2) == 0 {
			s.run(t, plan(t, s.inv, Wish{User: sid, Set: makeSet([]string{"one", "three"}[r.IntN(2)], 32, 96)}), -1)
		}
		for _, v := range s.kept[sid] { // Windows deletes the files of a picture that was changed: all of them, or it was somebody else
			if strings.Contains(v.Data, "{2}") || r.IntN(20) == 0 {
				s.gone[v.Data] = true
			}
		}
		s.edit(sid, func(a *photopush.Account) {
			if a.State != photopush.StateAbsent {
				a.ACL, s.deny[sid] = windowsMade, r.IntN(3) == 0
			}
			a.Journal = r.IntN(8) == 0
			for range r.IntN(4) {
				randomHarm(r, s, a)
			}
			if a.State != photopush.StateAbsent {
				a.State = State(a.Values)
			}
		})
		s.held[sid] = r.IntN(5) == 0
	}
	return s
}

// randomHarm is what others may have done to a picture.
func randomHarm(r *rand.Rand, s *station, a *photopush.Account) {
	switch {
	case r.IntN(3) == 0 && len(a.Values) > 0:
		a.Values[r.IntN(len(a.Values))].Data = `\\evil\share\x.jpg`
	case r.IntN(3) == 0 && len(a.Values) > 0:
		i := r.IntN(len(a.Values))
		a.Values = slices.Delete(a.Values, i, i+1)
	case r.IntN(3) == 0 && len(a.Files) > 0:
		i := r.IntN(len(a.Files))
		for _, v := range a.Values {
			if strings.HasSuffix(v.Data, a.Files[i].Name) {
				s.hurt[v.Data] = true
			}
		}
		a.Files[i].SHA256 = hash([]byte("harm"))
	}
}

// randomValues are those of a picture of Windows of some build; of one whose files are gone by now; or of no value at all.
func randomValues(r *rand.Rand) []photopush.Value {
	var values []photopush.Value
	folder := fmt.Sprintf(`C:\Users\Public\AccountPictures\x\{%d}`, r.IntN(3))
	for _, name := range ValueNames {
		switch r.IntN(8) {
		case 0:
		case 1:
			values = append(values, photopush.Value{Name: name, Kind: []string{kindExpand, kindString, kindOther}[r.IntN(3)]})
		default:
			values = append(values, photopush.Value{Name: name, Kind: kindString, Data: folder + "-" + name + ".jpg"})
		}
	}
	return values
}
