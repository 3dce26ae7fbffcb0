package golden

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	sddlForm = regexp.MustCompile(`\A(O:([^:()]*))?(G:[^:()]*)?D:[A-Z_]*(\([^()]*\))*\z`)
	entry    = regexp.MustCompile(`\(([^()]*)\)`)
)

// SameSDDL tells whether two texts have the same set of entries, and the same owner where want names one. Protection and order do not count: Wine
// forgets the one, and .NET sorts.
func SameSDDL(got, want string) bool {
	g, w := sddlForm.FindStringSubmatch(got), sddlForm.FindStringSubmatch(want)
	if g == nil || w == nil || w[1] != "" && w[2] != g[2] {
		return false
	}
	return slices.Equal(entries(got), entries(want))
}

func entries(sddl string) []string {
	var list []string
	for _, m := range entry.FindAllStringSubmatch(sddl, -1) {
		fields := strings.Split(m[1], ";")
		if len(fields) >= 6 {
			fields[2] = strconv.FormatUint(uint64(rights(fields[2])), 16)
		}
		list = append(list, strings.Join(fields, ";"))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// rightNames are those that are printed for keys (MS-DTYP 2.5.1.1).
var rightNames = map[string]uint32{
	"KA": 0xf003f, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019, "GA": 1 << 28, "GX": 1 << 29, "GW": 1 << 30, "GR": 1 << 31,
	"SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
	"CC": 1, "DC": 2, "LC": 4, "SW": 8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
}

func rights(text string) uint32 {
	if n, err := strconv.ParseUint(text, 0, 32); err == nil {
		return uint32(n)
	}
	var mask uint32
	for ; len(text) >= 2; text = text[2:] {
		mask |= rightNames[text[:2]]
	}
	return mask
}
