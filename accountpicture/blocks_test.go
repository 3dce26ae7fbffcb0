package accountpicture_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
)

// The blocks are what the bootstrap gives to PowerShell: the lines up to each end, joined by LF. Both together are the script.
func TestBlocks(t *testing.T) {
	for _, s := range accountpicture.Scripts {
		lines := strings.Split(strings.TrimSuffix(s.Text, "\n"), "\n")
		n := 0
		for i, line := range lines {
			if line == "#end-of-common" {
				n = i
			}
		}
		blocks := s.Blocks()
		if len(blocks) != 2 || blocks[0].Name != "common" || blocks[1].Name != s.Name {
			t.Fatalf("%s has the blocks %q", s.Name, blocks)
		}
		for i, want := range []string{strings.Join(lines[:n+1], "\n"), strings.Join(lines[n+1:], "\n")} {
			b := blocks[i]
			if b.Text != want || b.Changes == "" || b.SHA256() != fmt.Sprintf("%x", sha256.Sum256([]byte(want))) {
				t.Errorf("block %s of %s: %d bytes, hash %s, changes %q; want %d bytes", b.Name, s.Name, len(b.Text), b.SHA256(), b.Changes, len(want))
			}
		}
		if sent := blocks[0].Text + "\n" + blocks[1].Text + "\n"; sent != s.Text {
			t.Errorf("%s is not its two blocks", s.Name)
		}
	}
	var names []string
	for _, b := range accountpicture.AllBlocks() {
		names = append(names, b.Name)
	}
	if got := strings.Join(names, " "); got != "common read push repair" {
		t.Errorf("all blocks are %s", got)
	}
}
