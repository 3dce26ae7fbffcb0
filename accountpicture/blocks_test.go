package accountpicture_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
)

var update = flag.Bool("update", false, "write hashes and sizes of the scripts into docs/allow-rules.md")

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

// TestAllowRules compares the sheet for allow-rules with what is embedded. With -update it writes the numbers anew.
func TestAllowRules(t *testing.T) {
	file := filepath.Join("..", "docs", "allow-rules.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	_, bootstrap, _ := strings.Cut(strings.TrimSuffix(accountpicture.CommandLine, `"`), `"`)
	for _, b := range append([]accountpicture.Block{{Name: "bootstrap", Text: bootstrap}}, accountpicture.AllBlocks()...) {
		row := regexp.MustCompile("(?m)^\\| `" + b.Name + "` \\| [0-9,]+ \\| `[0-9a-f]{64}` \\|$")
		page = row.ReplaceAllLiteralString(page, fmt.Sprintf("| `%s` | %s | `%s` |", b.Name, thousands(len(b.Text)), b.SHA256()))
		if len(row.FindAllString(page, -1)) != 1 {
			t.Errorf("%s has no row for the block %s", file, b.Name)
		}
		if b.Changes != "" && !strings.Contains(page, "| `"+b.Name+"` | "+b.Changes+" |") {
			t.Errorf("%s does not say what %s may change as `photopush script` does: %s", file, b.Name, b.Changes)
		}
	}
	line := regexp.MustCompile(`(?m)^    C:\\Windows\\.*-Command ".*"$`)
	page = line.ReplaceAllLiteralString(page, "    "+accountpicture.CommandLine)
	page = regexp.MustCompile(`the same every time, [0-9,]+ characters`).ReplaceAllLiteralString(page, "the same every time, "+thousands(len(accountpicture.CommandLine))+" characters")
	if len(line.FindAllString(page, -1)) != 1 {
		t.Errorf("%s has not the command line", file)
	}
	if page == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s has hashes or sizes of other scripts; go test ./accountpicture -run TestAllowRules -update writes them", file)
	}
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Words by which PowerShell logs a block without any policy, as docs/allow-rules.md tells.
func TestWordsOfBlocks(t *testing.T) {
	want := map[string]string{"common": "cryptography expandstring", "read": "cryptography", "push": "frombase64string", "repair": ""}
	for _, b := range accountpicture.AllBlocks() {
		var found []string
		for _, word := range []string{"cryptography", "expandstring", "frombase64string", "add-type", "dllimport", "getmethod", "invokemember", "marshal", "bypass", "encodedcommand", "memorystream"} {
			if strings.Contains(strings.ToLower(b.Text), word) {
				found = append(found, word)
			}
		}
		if got := strings.Join(found, " "); got != want[b.Name] {
			t.Errorf("%s has %q, docs/allow-rules.md says %q", b.Name, got, want[b.Name])
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
