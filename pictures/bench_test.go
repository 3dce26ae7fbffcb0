package pictures

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/photopush/photopush"
)

// BenchmarkFolder lists a folder of 10,000 originals and finds everybody's, as a pass does in which nothing has changed.
func BenchmarkFolder(b *testing.B) {
	const people = 10_000
	f, err := NewFolder(FolderConfig{Folder: b.TempDir(), Match: "{sAMAccountName}"})
	if err != nil {
		b.Fatal(err)
	}
	for i := range people {
		if err := os.WriteFile(filepath.Join(f.folder, fmt.Sprintf("U%d.jpg", i)), []byte("x"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := f.List(b.Context()); err != nil {
			b.Fatal(err)
		}
		for i := range people {
			if mark, _ := f.Mark(photopush.User{AccountName: fmt.Sprintf("u%d", i)}); mark == "" {
				b.Fatalf("u%d has no file", i)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*people), "ns/person")
}

// BenchmarkChoose chooses a photo that is new, which is decoded, and one that was decoded before, which is only hashed; it prints how many of the latter the
// former costs.
func BenchmarkChoose(b *testing.B) {
	var raw bytes.Buffer
	m := image.NewRGBA(image.Rect(0, 0, 648, 648))
	for i := range m.Pix {
		m.Pix[i] = byte(i*i>>12 ^ i)
	}
	if err := jpeg.Encode(&raw, m, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	photos := []photopush.Photo{{Attribute: "jpegPhoto", Bytes: raw.Bytes()}}
	c := newCache(directoryOf(nil))
	var costs [2]float64
	for i, name := range []string{"known", "new"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if i == 1 {
					c = newCache(directoryOf(nil))
				}
				if _, err := c.Choose(photopush.User{SID: alice}, photos); err != nil {
					b.Fatal(err)
				}
			}
			costs[i] = float64(b.Elapsed()) / float64(b.N)
			if i == 1 {
				b.ReportMetric(costs[1]/costs[0], "new/known")
			}
		})
	}
}
