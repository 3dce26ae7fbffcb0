package simwin

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/photopush/photopush/accountpicture"
)

// FuzzInput feeds verbs of any form. Whatever they say, the answer is whole, and nothing but our two roots has changed.
func FuzzInput(f *testing.F) {
	for _, lines := range [][]string{push(userSID), {"inventory"}, {"check"}, {deleteFiles(userSID, absent, fileName(small, 32))}, {"put_file", "."}, {"", "\t\t"},
		{strings.Replace(put(userSID, small, 32)[0], string(userSID), `S-1-5-21-1-1-1-1\..\..`, 1), "QQ==", "."}} {
		f.Add(strings.Join(lines, "\n") + "\n")
	}
	f.Fuzz(func(t *testing.T, input string) {
		m := NewMachine(MachineOptions{})
		m.AddProfile(UserProfile{SID: userSID, Name: "u1001"})
		before := m.Snapshot()
		out, code, err := startTwin(t.Context(), m, accountpicture.PushScript.Text+input)
		if err != nil || code != 0 {
			t.Fatalf("ended with %d, %v", code, err)
		}
		answers(t, out)
		for _, line := range before.Diff(m.Snapshot()) {
			path, _, _ := strings.Cut(line[2:], ": ")
			_, file := cutFold(path, ourHome)
			_, key := cutFold(path, pictureUsersKey+`\`)
			if !file && !key {
				t.Errorf("%s", line)
			}
		}
	})
}

// TestManyRunsAtOnce starts runs side by side: each either does its work whole or finds the lock taken, and the end is whole.
func TestManyRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		runTwin(t, m, put(otherSID, small, 32)...)
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := map[string]int{}
		for range 16 {
			wg.Go(func() {
				out, _, err := startTwin(t.Context(), m, inputFor(push(userSID)...))
				list := answers(t, out)
				mu.Lock()
				defer mu.Unlock()
				done[list[len(list)-1].failure()]++
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done["ok"] != 1 || done["ok"]+done["conflict 0x80070020 lock"]+done["conflict 0x0 state"] != 16 {
			t.Errorf("ended as %v, want one that set the values and conflicts", done)
		}
		if got := m.Values(pictureUsersKey + `\` + string(userSID)); len(got) != 2 {
			t.Errorf("values %v", got)
		}
	})
}

// TestOutputThatFails is a client that is gone when the answer is written.
func TestOutputThatFails(t *testing.T) {
	m := NewMachine(MachineOptions{})
	gone := errors.New("gone")
	if _, err := m.Run(t.Context(), accountpicture.CommandLine, strings.NewReader(inputFor("inventory")), failing{gone}, failing{gone}); !errors.Is(err, gone) {
		t.Errorf("ended with %v, want the writer's error", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
