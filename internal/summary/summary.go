// Package summary shows the lines that tests and benchmarks want seen: go test hides what a test that passes says. scripts/with-summary
// gathers them and prints them at the end.
package summary

import (
	"fmt"
	"os"
	"testing"
)

// Line adds a line, unless the test has failed by then. Without PHOTOPUSH_TEST_SUMMARY, which names the file that gathers them, it goes to
// the test's log alone.
func Line(t testing.TB, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	name := os.Getenv("PHOTOPUSH_TEST_SUMMARY")
	if name == "" || t.Failed() {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Fatal(err)
	}
}
