package simwin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// change is a run with every effect: a second picture, and the first one's file deleted.
func change(t *testing.T) (m *Machine, input string) {
	m = NewMachine(MachineOptions{})
	runTwin(t, m, put(userSID, []byte("an older picture"), 448)...)
	return m, inputFor(append(append(push(userSID), push(otherSID)...),
		deleteFiles(userSID, stateAfterPush(t), fileName([]byte("an older picture"), 448)))...)
}

func stateAfterPush(t *testing.T) string {
	return runTwin(t, NewMachine(MachineOptions{}), push(userSID)...)[2]["state"].(string)
}

func TestEffectsAreListed(t *testing.T) {
	m, input := change(t)
	if _, _, err := startTwin(t.Context(), m, input); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range m.Effects() {
		got = append(got, fmt.Sprint(e.Name, " ", e.Nth))
	}
	want := []string{"Enter-Lock 1", "Write-NewFile 1", "Write-NewFile 2", "New-PictureKey 1", "Set-PictureValue 1", "Set-PictureValue 2",
		"New-SecureFolder 1", "Write-NewFile 3", "Write-NewFile 4", "New-PictureKey 2", "Set-PictureValue 3", "Set-PictureValue 4", "Remove-OwnFile 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestEveryFault breaks the run before and after each of its effects, by an exception and by the end of the process. What the effect
// does must have happened just when the fault came after it, and nothing after that.
func TestEveryFault(t *testing.T) {
	m, input := change(t)
	if _, _, err := startTwin(t.Context(), m, input); err != nil {
		t.Fatal(err)
	}
	effects := m.Effects()
	for i, e := range effects {
		for _, kind := range []FaultKind{Throw, Exit} {
			var lengths []int
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d kind %d after %v", e.Name, e.Nth, kind, after), func(t *testing.T) {
					m, input := change(t)
					before := m.Snapshot()
					m.SetFault(EffectFault{Effect: e.Name, Nth: e.Nth, After: after, Kind: kind, HResult: accessDenied, Code: 9})
					out, code, err := startTwin(t.Context(), m, input)
					if err != nil {
						t.Fatal(err)
					}
					checkBroken(t, e.Name, kind, out, code)
					if got := m.Effects(); len(got) != i+1 {
						t.Errorf("%d effects ran, want %d", len(got), i+1)
					}
					lengths = append(lengths, len(before.Diff(m.Snapshot())))
				})
			}
			if lock := e.Name == EnterLock; !lock && lengths[0] >= lengths[1] {
				t.Errorf("%s %d: %d changes without the effect, %d with it", e.Name, e.Nth, lengths[0], lengths[1])
			}
		}
	}
}

func checkBroken(t *testing.T, effect string, kind FaultKind, out string, code uint32) {
	t.Helper()
	if kind == Exit {
		if code != 9 || out != "" {
			t.Errorf("exit code %d, output %q, want 9 and none", code, out)
		}
		return
	}
	last := slices.Clone(answers(t, out))
	got := last[len(last)-1]
	if effect == RemoveOwnFile {
		if kept, _ := got["kept"].([]any); len(kept) != 1 {
			t.Errorf("answer %v, want the file kept", got)
		}
		return
	}
	if want := fmt.Sprintf("denied %#x %s", accessDenied, effect); got.failure() != want {
		t.Errorf("answer %s, want %s", got.failure(), want)
	}
}

func TestTornWrite(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetFault(EffectFault{Effect: WriteNewFile, Nth: 2, Kind: Torn, Code: 9})
	if _, code, err := startTwin(t.Context(), m, inputFor(push(userSID)...)); code != 9 || err != nil {
		t.Fatalf("ended with %d, %v", code, err)
	}
	got, _ := m.ReadFile(ourPics + `\` + string(userSID) + `\` + fileName(large, 96))
	if len(got) != len(large)/2 {
		t.Errorf("%d bytes were written, want half of %d", len(got), len(large))
	}
	if got := runTwin(t, m, push(userSID)...); got[len(got)-1].failure() != "conflict 0x0 file" {
		t.Errorf("the next run: %v", got)
	}
}

func TestHold(t *testing.T) {
	m := NewMachine(MachineOptions{})
	reached, release := make(chan struct{}), make(chan struct{})
	m.SetFault(EffectFault{Effect: SetPictureValue, Kind: Hold, Reached: reached, Release: release})
	done := make(chan error, 1)
	go func() {
		_, _, err := startTwin(context.WithoutCancel(t.Context()), m, inputFor(push(userSID)...))
		done <- err
	}()
	<-reached
	if got := oneAnswer(t, m, "inventory").failure(); got != "conflict 0x80070020 lock" {
		t.Errorf("a second run: %s", got)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if values := m.Values(pictureUsersKey + `\` + string(userSID)); len(values) != 2 {
		t.Errorf("values %v", values)
	}
}

func TestKilledWhileHeld(t *testing.T) {
	m := NewMachine(MachineOptions{})
	reached := make(chan struct{})
	m.SetFault(EffectFault{Effect: NewPictureKey, After: true, Kind: Hold, Reached: reached})
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := startTwin(ctx, m, inputFor(push(userSID)...))
		done <- err
	}()
	<-reached
	kill()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if values := m.Values(pictureUsersKey + `\` + string(userSID)); len(values) != 0 {
		t.Errorf("a killed run set %v", values)
	}
	if a := oneAnswer(t, m, "inventory"); !a.ok() {
		t.Errorf("the lock outlived its process: %v", a)
	}
}

func TestDiskFull(t *testing.T) {
	m := NewMachine(MachineOptions{FreeBytes: int64(len(small) + 10)})
	list := runTwin(t, m, push(userSID)...)
	if got := list[len(list)-1].failure(); len(list) != 2 || got != "disk_full 0x80070070 Write-NewFile" {
		t.Fatalf("answers %v", list)
	}
	files := m.Files(ourPics)
	if len(files) != 1 {
		t.Errorf("files %v, want the first alone: what was not finished is taken away", files)
	}
	if free := m.freeBytes(); free != 10 {
		t.Errorf("%d bytes free, want 10", free)
	}
}
