//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
)

// benchPeople is how many photos an import of the benchmark has.
const benchPeople = 100

// BenchmarkImport imports photos of 480×640 px, about 40 KB each, from the folder to the last word of the run: plan, record on the disk, write, read back. Two
// folders take turns, so that every photo is another one each time.
func BenchmarkImport(b *testing.B) {
	b.Run("simad", func(b *testing.B) {
		c, err := lab.Start(b.Context(), lab.Options{Dir: b.TempDir(), Users: benchPeople})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		benchmarkImport(b, c.ConfigFile, 1001)
	})
	b.Run("Samba", func(b *testing.B) {
		benchmarkImport(b, newSambaImport(b, benchPeople).ConfigFile, 2001)
	})
}

func benchmarkImport(b *testing.B, config string, first int) {
	var folders []string
	for n := range 2 {
		folder := b.TempDir()
		for i := range benchPeople {
			name := filepath.Join(folder, fmt.Sprintf("u%d.jpg", first+i))
			if err := os.WriteFile(name, badge.JPEG(uint32(first+i+n*5000), 480, 640, 90), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		folders = append(folders, folder)
	}
	imports := 0
	for b.Loop() {
		var out, errs bytes.Buffer
		if code := run([]string{"--config", config, "import", folders[imports%2], "--yes"}, nil, &out, &errs); code != 0 {
			b.Fatalf("exit code %d: %s%s", code, out.String(), errs.String())
		}
		imports++
	}
	b.ReportMetric(float64(imports*benchPeople)/b.Elapsed().Seconds(), "photos/s")
}
