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

// goldenRecipes are the recipes that the corpus is rendered with.
var goldenRecipes = map[string]Recipe{
	"default": DefaultRecipe(),
	"other":   {Crop: CropCentre, Quality: 75, Upscale: true},
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

// renderCorpus writes a line per variant: recipe, file, size, SHA-256; and the digest of each set.
func renderCorpus(t *testing.T) string {
	var b strings.Builder
	fmt.Fprintf(&b, "recipe %d\n", RecipeVersion)
	for _, recipe := range []string{"default", "other"} {
		for _, name := range corpus(t) {
			set, err := Render(readCorpus(t, name), goldenRecipes[recipe])
			if err != nil {
				fmt.Fprintf(&b, "%s %s refused\n", recipe, name)
				continue
			}
			fmt.Fprintf(&b, "%s %s digest %s side %d\n", recipe, name, set.Digest, set.Side)
			for _, v := range set.Variants {
				fmt.Fprintf(&b, "%s %s %d %s\n", recipe, name, v.Size, v.SHA256)
			}
		}
	}
	return b.String()
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

// TestRenderTwice makes the same set twice; a photo given must not be changed by it.
func TestRenderTwice(t *testing.T) {
	for _, name := range corpus(t) {
		raw := readCorpus(t, name)
		before := bytes.Clone(raw)
		a, errA := Render(raw, DefaultRecipe())
		b, errB := Render(raw, DefaultRecipe())
		if !bytes.Equal(raw, before) {
			t.Errorf("%s: the photo was changed", name)
		}
		if errA != nil || errB != nil {
			continue
		}
		for i := range a.Variants {
			if a.Variants[i].SHA256 != b.Variants[i].SHA256 {
				t.Errorf("%s: %d px differs", name, a.Variants[i].Size)
			}
		}
	}
}
