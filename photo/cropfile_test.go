package photo

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush"
)

var testDomains = []string{"corp.example", "Lab.Example", "lab.test"}

// TestCropFile reads what spreadsheets, PowerShell and people write.
func TestCropFile(t *testing.T) {
	for name, text := range map[string]string{
		"plain":      "u1001,top\nu1002@corp.example,centre\nCORP\\u1003,auto\nS-1-5-21-1-2-3-1004,square:1:2:300\n",
		"headline":   "user,crop\nU1001,Top\nU1002@Corp.Example,Centre\nCorp.Example\\U1003,AUTO\ns-1-5-21-1-2-3-1004,SQUARE:01:2:300",
		"PowerShell": "\ufeff\"Name\",\"Crop\"\r\n\"u1001\",\"top\"\r\n\"u1002@corp.example\",\"centre\"\r\n\"CORP\\u1003\",\"auto\"\r\n\"S-1-5-21-1-2-3-1004\",\"square:1:2:300\"\r\n",
		"comments":   "# hats\n u1001 , top \n\nu1002@corp.example,centre\n# more\ncorp\\u1003,auto\n   \nS-1-5-21-1-2-3-1004,square:1:2:300\n",
	} {
		crops, faults := parseCrops("crops.csv", []byte(text), testDomains)
		want := map[string]Crop{"u1001": CropTop, "u1002@corp.example": CropCentre, `corp.example\u1003`: CropAuto, "s-1-5-21-1-2-3-1004": "square:1:2:300"}
		if !maps.Equal(crops, want) || len(faults) > 0 {
			t.Errorf("%s: %v, %v", name, crops, faults)
		}
	}
}

// TestCropFileFaults tells all of them, each with its line.
func TestCropFileFaults(t *testing.T) {
	const crop = ", want auto, centre, top, or square:x:y:side with a side of 32 to 16384 px"
	const form = ", want a name and a crop with a comma between, such as u1001,top"
	const names = `, want an account name, a user principal name, DOMAIN\account or a SID`
	_, faults := parseCrops("crops.csv", []byte(strings.Join([]string{
		"u1001,left", "u1002", "u1003;top", "u1004,top,centre", ",top", `\u1006,top`, `OTHER\u1007,top`, `LAB\u1008,top`, "S-1-5-32-544,top",
		"u1010,top", "U1010,centre", `corp\u1012,top`, `corp.example\U1012,top`, `u1014,"top`, "M\xfcller,top", `x\y\z,round`, "u1017,square:1:2:3",
	}, "\n")), testDomains)
	want := `crops.csv:1: crop is "left"` + crop + `
crops.csv:2: it is "u1002"` + form + `
crops.csv:3: it is "u1003;top"` + form + `
crops.csv:4: it is "u1004,top,centre"` + form + `
crops.csv:5: name is ""` + names + `
crops.csv:6: name is "\\u1006"` + names + `
crops.csv:7: name is "OTHER\\u1007", want a domain of the configuration before the backslash, by its DNS name (corp.example, Lab.Example, lab.test) or that up to the first dot
crops.csv:8: name is "LAB\\u1008", which domain is that? It may be lab.example or lab.test: write the DNS name
crops.csv:9: name is "S-1-5-32-544", want the SID of an account, S-1-5-21-…
crops.csv:11: U1010 stands here a second time, first in line 10: remove one of them
crops.csv:13: corp.example\U1012 stands here a second time, first in line 12: remove one of them
crops.csv:14: it is "u1014,\"top"` + form + `
crops.csv:15: this line is not UTF-8: save the file with that encoding
crops.csv:16: name is "x\\y\\z", want a domain of the configuration before the backslash, by its DNS name (corp.example, Lab.Example, lab.test) or that up to the first dot
crops.csv:16: crop is "round"` + crop + `
crops.csv:17: crop is "square:1:2:3"` + crop
	if got := fmt.Sprint(errors.Join(faults...)); got != want {
		t.Errorf("faults\n%s\nwant\n%s", got, want)
	}
}

func TestCropFileBounds(t *testing.T) {
	_, faults := parseCrops("c", []byte(strings.Repeat("x\n", maxCropLines+5)), nil)
	if len(faults) != maxCropFaults+1 || faults[maxCropFaults].Error() != fmt.Sprintf("c has %d more faults", maxCropLines+1-maxCropFaults) {
		t.Errorf("%d faults, the last %v", len(faults), faults[len(faults)-1])
	}
	for text, want := range map[string]string{
		strings.Repeat("\n", maxCropLines+1):        "c:50001: there are more than 50000 lines",
		strings.Repeat("\n", maxCropFile+1):         "c has more than 4194304 bytes",
		strings.Repeat("x", maxCropFile):            `c:1: it is "` + strings.Repeat("x", 60) + `…", want a name and a crop with a comma between, such as u1001,top`,
		strings.Repeat("x", maxCropName+1) + ",top": `c:1: name is "` + strings.Repeat("x", 60) + `…", want an account name, a user principal name, DOMAIN\account or a SID`,
		"u\xff": "c:1: this line is not UTF-8: save the file with that encoding",
		"\xff\xfeu\x001\x00,\x00t\x00o\x00p\x00\n\x00": "c:1: this line is not UTF-8: save the file with that encoding\nc:2: this line is not UTF-8: save the file with that encoding",
	} {
		if _, faults := parseCrops("c", []byte(text), nil); fmt.Sprint(errors.Join(faults...)) != want {
			t.Errorf("%.20q: %v, want %s", text, errors.Join(faults...), want)
		}
	}
}

// TestRecipeFor finds the line that names a user most closely; everybody else has the recipe, and the digest, as without a file.
func TestRecipeFor(t *testing.T) {
	u := photopush.User{SID: "S-1-5-21-1-2-3-1001", Domain: "corp.example", AccountName: "Anna", UPN: "Anna.Maier@Corp.Example"}
	lines := []string{"s-1-5-21-1-2-3-1001,square:1:0:64", "ANNA.MAIER@corp.example,square:2:0:64", "anna@CORP.example,square:3:0:64", `corp\ANNA,square:4:0:64`, "anna,square:5:0:64"}
	file := filepath.Join(t.TempDir(), "crops.csv")
	c := &Config{Recipe: Recipe{CropCentre, 80, true}, CropFile: file}
	for i := range lines {
		got := readRecipes(t, c, lines[i:]).For(u)
		if want := (Recipe{Crop(fmt.Sprintf("square:%d:0:64", i+1)), 80, true}); got != want {
			t.Errorf("%q: %v, want %v", lines[i:], got, want)
		}
	}
	other := readRecipes(t, c, lines).For(photopush.User{SID: "S-1-5-21-1-2-3-1002", Domain: "lab.test", AccountName: "Ben"})
	if other != c.Recipe || other.Digest(nil) != c.Recipe.Digest(nil) {
		t.Errorf("others have %v", other)
	}
	same := readRecipes(t, c, []string{"anna,centre"}).For(u)
	if same.Digest(nil) != c.Recipe.Digest(nil) {
		t.Error("a line that says what holds for all makes other pictures")
	}
	abroad := u
	abroad.SID, abroad.Domain, abroad.UPN = "S-1-5-21-9-2-3-1001", "lab.test", ""
	if got := readRecipes(t, c, lines[:4]).For(abroad); got != c.Recipe {
		t.Errorf("the same account name in another domain has %v", got)
	}
}

// TestRecipesName: it is another one for whatever makes other pictures of somebody, and no other for the rest.
func TestRecipesName(t *testing.T) {
	c := &Config{Recipe: DefaultRecipe(), CropFile: filepath.Join(t.TempDir(), "crops.csv")}
	name := readRecipes(t, c, []string{"u1001,top", "u1002,centre"}).Name()
	if same := readRecipes(t, c, []string{"# the same", "u1002,centre", "u1001,top"}).Name(); same != name {
		t.Errorf("named %s and %s", name, same)
	}
	for _, lines := range [][]string{{"u1001,top"}, {"u1001,top", "u1003,centre"}, {"u1001,top", "u1002,auto"}} {
		if readRecipes(t, c, lines).Name() == name {
			t.Errorf("%q: the same name", lines)
		}
	}
	c.Quality = 77
	if readRecipes(t, c, []string{"u1001,top", "u1002,centre"}).Name() == name {
		t.Error("another quality: the same name")
	}
}

func readRecipes(t *testing.T, c *Config, lines []string) *Recipes {
	t.Helper()
	if err := os.WriteFile(c.CropFile, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := c.Recipes(testDomains)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCheckFiles reports a file that cannot be read, and faults in one that can.
func TestCheckFiles(t *testing.T) {
	c := &Config{CropFile: filepath.Join(t.TempDir(), "none.csv")}
	if err := c.CheckFiles("photo", nil); err == nil || err.Error() != "photo.crop_file: open "+c.CropFile+": no such file or directory" {
		t.Error(err)
	}
	if _, err := c.Recipes(nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := (&Config{}).CheckFiles("photo", nil); err != nil {
		t.Error(err)
	}
}

// FuzzCropFile finds no file of which a line gets lost, or that gives a name or a crop that is none.
func FuzzCropFile(f *testing.F) {
	f.Add([]byte("user,crop\r\nu1001,top\r\nCORP\\u1003,square:1:2:300\r\n"))
	f.Add([]byte("\"a\"\"b\",auto\n#\n\n,\nS-1-5-21-1-2-3-4,centre\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		crops, faults := parseCrops("c", data, testDomains)
		lines := strings.Count(string(data), "\n") + 1
		if len(crops)+len(faults) > 2*lines {
			t.Fatalf("%d crops and %d faults of %d lines", len(crops), len(faults), lines)
		}
		for name, c := range crops {
			if again, err := ParseCrop(string(c)); err != nil || again != c || name == "" || name != strings.ToLower(name) {
				t.Fatalf("%q: %q, %v", name, c, err)
			}
			r := Recipes{crops: crops}
			sid, account := photopush.SID(""), name
			if strings.HasPrefix(name, "s-1-") {
				sid, account = photopush.SID(strings.ToUpper(name)), ""
			}
			if domain, rest, ok := strings.Cut(name, `\`); ok {
				u := photopush.User{Domain: domain, AccountName: rest}
				if !slices.Contains([]string{"corp.example", "lab.example", "lab.test"}, domain) || r.For(u).Crop == "" {
					t.Fatalf("%q means nobody", name)
				}
			} else if r.For(photopush.User{SID: sid, AccountName: account}).Crop == "" {
				t.Fatalf("%q means nobody", name)
			}
		}
	})
}
