package visit_test

import (
	"context"
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// TestRepairGoesOn: a key that refuses to be closed keeps none of the others open, and is told.
func TestRepairGoesOn(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob, cleo)
	const open = "O:BAD:P(A;;KA;;;SY)(A;;KA;;;BA)(A;;KA;;;BU)"
	for sid, sddl := range map[photopush.SID]string{ada: open, bob: "O:SYD:P(D;;WD;;;BA)(A;;KA;;;SY)(A;;KR;;;BA)(A;;KA;;;BU)", cleo: open} {
		if err := s.machine.SecureKey(`HKLM\`+accountpicture.UsersKey+`\`+string(sid), sddl); err != nil {
			t.Fatal(err)
		}
	}
	var kept []photopush.Finding
	keep := func(_ context.Context, found []photopush.Finding) error {
		kept = append(kept, found...)
		return nil
	}
	r := s.visitor().Repair(t.Context(), photopush.Visit{Workstation: s.w}, keep)
	if photopush.ReasonOf(r.Err) != photopush.Denied || !strings.Contains(r.Err.Error(), string(bob)) {
		t.Errorf("ended with %v, want bob's key denied", r.Err)
	}
	if len(r.Found) != 3 || len(r.Left) != 1 || r.Left[0].Key != string(bob) {
		t.Errorf("found %v, left %v", r.Found, r.Left)
	}
	if len(kept) < 3 || kept[0].SDDL == "" {
		t.Errorf("kept %v before anything was changed", kept)
	}
	for _, f := range accountpicture.Findings(r.Inventory) {
		if f.Key != string(bob) {
			t.Errorf("still open: %s", accountpicture.InWords(f))
		}
	}
}
