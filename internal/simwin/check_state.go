package simwin

import (
	"maps"
	"slices"
	"strings"
)

// judgeState adds what runs have left in State.
func (v *Verdict) judgeState(m *Machine) {
	for _, path := range slices.Sorted(maps.Keys(m.Files(strings.TrimRight(m.programFiles(), `\`) + `\photopush\State`))) {
		switch folded := fold(path); {
		case strings.HasSuffix(folded, ".NEW"):
			v.Leftover = append(v.Leftover, path)
		case strings.HasSuffix(folded, ".JOURNAL"):
			v.Journals = append(v.Journals, path)
		}
	}
}
