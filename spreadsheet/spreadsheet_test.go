package spreadsheet

import (
	"errors"
	"strings"
	"testing"
)

func TestWriter(t *testing.T) {
	var b strings.Builder
	w := NewWriter(&b)
	for _, row := range [][]string{{"user", "detail"}, {"ada", "a, \"b\"\nc"}, {"=1+1", "-2"}, {"@x", "+1"}, {"\tx", "＝1"}, {"", "x=1"}, {"ada", "x;=HYPERLINK(1)"}} {
		if err := w.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "\ufeffuser,detail\r\nada,\"a, \"\"b\"\"\r\nc\"\r\n'=1+1,'-2\r\n'@x,'+1\r\n'\tx,'＝1\r\n,x=1\r\nada,x;'=HYPERLINK(1)\r\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	if err := NewWriter(&b).Flush(); err != nil || b.String() != want {
		t.Errorf("without a row it wrote %q, %v", b.String(), err)
	}
}

// TestHarmless: no cell begins with a formula's sign, whatever a spreadsheet takes for the separator.
func TestHarmless(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "x": "x", "x=1": "x=1", "a; b": "a; b", "a;b-c": "a;b-c", "CN=a,OU=b": "CN=a,OU=b", "bad\xff;=1": "bad\xff;'=1",
		"=1": "'=1", "  =1": "  '=1", "\u00a0@x": "\u00a0'@x", "＝1": "'＝1", "\tx": "'\tx", "\nx": "'\nx",
		"x;=HYPERLINK(1)": "x;'=HYPERLINK(1)", "x; -1;;+2;@y": "x; '-1;;'+2;'@y", "x;==1": "x;'==1", "x;－1": "x;'－1",
		"x\t=1": "x\t'=1", "x\n=1": "x\n'=1", "x\r\n=1": "x\r\n'=1", ";\t=1": ";\t'=1",
		`x;"=1`: `x;"'=1`, `x; ""=1""`: `x; ""'=1""`, `say "=1"`: `say "=1"`,
	} {
		if got := harmless(cell); got != want {
			t.Errorf("%q is %q, want %q", cell, got, want)
		}
	}
}

var errFull = errors.New("no space left on device")

// A full writer takes a few bytes.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterFull(t *testing.T) {
	for room := range full(10) {
		w := NewWriter(&room)
		if err := errors.Join(w.Row("0123456789"), w.Flush()); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	}
}
