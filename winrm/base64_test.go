package winrm

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

// TestAppendBase64 compares with encoding/base64, at every length around those where the ways part.
func TestAppendBase64(t *testing.T) {
	data := make([]byte, 1<<12)
	r := rand.NewChaCha8([32]byte{})
	if _, err := r.Read(data); err != nil {
		t.Fatal(err)
	}
	for n := range len(data) {
		if n > 64 && n%97 != 0 {
			continue
		}
		head := []byte("head")
		got, want := appendBase64(head, data[:n]), base64.StdEncoding.AppendEncode(head, data[:n])
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: got %s, want %s", n, got, want)
		}
	}
}

// BenchmarkAppendBase64 encodes 300 KB beside encoding/base64, in turns; the ratio is ours to its.
func BenchmarkAppendBase64(b *testing.B) {
	data, ours, theirs := make([]byte, 300<<10), make([]byte, 0, 512<<10), make([]byte, 0, 512<<10)
	r := rand.NewChaCha8([32]byte{})
	if _, err := r.Read(data); err != nil {
		b.Fatal(err)
	}
	sides(b, func() { appendBase64(ours, data) }, func() { base64.StdEncoding.AppendEncode(theirs, data) })
}
