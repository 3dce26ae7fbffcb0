package photo

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/golden.txt for a new RecipeVersion")

const goldenFile = "testdata/golden.txt"

// enlarged are the photos that are rendered with another recipe as well.
var enlarged = []string{"odd.jpg", "tiny.png"}

// cuts are photos that are cut otherwise; a square that does not fit gives the pictures of auto under another digest.
var cuts = []struct {
	name string
	crop Crop
}{
	{"odd.jpg", CropTop}, {"wide.jpg", CropTop}, {"odd.jpg", "square:13:30:75"}, {"orientation-6.jpg", "square:10:3:40"}, {"alpha.png", "square:1:2:33"}, {"odd.jpg", "square:50:0:64"},
}

// TestGolden fails when any byte of any variant changes. Whoever means it raises RecipeVersion and runs go test ./photo -run Golden -update:
// every workstation is then given new pictures.
func TestGolden(t *testing.T) {
	got := renderCorpus(t)
	want, err := os.ReadFile(goldenFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	first := fmt.Sprintf("recipe %d\n", RecipeVersion)
	if *update && !strings.HasPrefix(string(want), first) {
		if err := os.WriteFile(goldenFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !strings.HasPrefix(string(want), first) {
		t.Fatalf("%s is not of recipe %d: run with -update", goldenFile, RecipeVersion)
	}
	for i, line := range strings.Split(got, "\n") {
		if lines := strings.Split(string(want), "\n"); i >= len(lines) || lines[i] != line {
			t.Fatalf("pictures have changed without a new RecipeVersion; first in line %d of %s, now\n%s", i+1, goldenFile, line)
		}
	}
}

// renderCorpus writes a line per set and per variant.
func renderCorpus(t *testing.T) string {
	var b strings.Builder
	fmt.Fprintf(&b, "recipe %d\n", RecipeVersion)
	for _, name := range corpus(t) {
		renderGolden(t, &b, name, DefaultRecipe())
	}
	for _, name := range enlarged {
		renderGolden(t, &b, name, Recipe{Crop: CropCentre, Quality: 75, Upscale: true})
	}
	for _, c := range cuts {
		renderGolden(t, &b, c.name, Recipe{Crop: c.crop, Quality: 90})
	}
	return b.String()
}

func renderGolden(t *testing.T, b *strings.Builder, name string, r Recipe) {
	raw := readCorpus(t, name)
	before := bytes.Clone(raw)
	set, err := Render(raw, r)
	if !bytes.Equal(raw, before) {
		t.Errorf("%s: the photo was changed", name)
	}
	if err != nil {
		fmt.Fprintf(b, "%s: %v\n", name, err)
		return
	}
	fmt.Fprintf(b, "%s: %+v, digest %s, side %d\n", name, r, set.Digest, set.Side)
	for _, v := range set.Variants {
		fmt.Fprintf(b, "%s %d %s\n", name, v.Size, v.SHA256)
	}
}

func corpus(t testing.TB) (names []string) {
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) < 30 {
		t.Fatalf("testdata/corpus has %d files, %v", len(files), err)
	}
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	return names
}

func readCorpus(t testing.TB, name string) []byte {
	raw, err := os.ReadFile(filepath.Join("testdata", "corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
