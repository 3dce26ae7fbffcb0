package winrm

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var documented = regexp.MustCompile(`[0-9]+( to [0-9]+)?`)

// TestFaultsAreDocumented: docs/winrm.md says what each fault that is known means, in the row of its reason.
func TestFaultsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/winrm.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "## What each failure means")
	if !ok {
		t.Fatal("there is no table of failures")
	}
	type span struct{ first, last uint64 }
	rows := map[string][]span{} // by reason
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "fault") {
			continue
		}
		for _, text := range documented.FindAllString(cells[1], -1) {
			first, last, isSpan := strings.Cut(text, " to ")
			if !isSpan {
				last = first
			}
			rows[cells[2]] = append(rows[cells[2]], span{number(t, first), number(t, last)})
		}
	}
	for code, k := range knownFaults {
		found := false
		for reason, spans := range rows {
			found = found || strings.Contains(reason, "`"+string(k.reason)+"`") &&
				slices.ContainsFunc(spans, func(s span) bool { return s.first <= uint64(code) && uint64(code) <= s.last })
		}
		if !found {
			t.Errorf("docs/winrm.md does not say what fault %d (%s) means, with reason %s", code, k.name, k.reason)
		}
	}
}

func number(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
