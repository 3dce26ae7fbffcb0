package accountpicture

import (
	_ "embed"
	"slices"
)

// A Script is one of those that workstations execute: ASCII, the same bytes for every workstation. It has two blocks, each of which is compiled
// and logged (event 4104) by itself: what the scripts have in common, to its last line #end-of-common, and its own, to its last line #end-of-script.
type Script struct {
	Name  string // read, push or repair
	Text  string
	verbs []string // names of those that it knows
}

// The parts that scripts are joined from.
var (
	//go:embed script/common.ps1
	commonPart string
	//go:embed script/read.ps1
	readPart string
	//go:embed script/push.ps1
	pushPart string
	//go:embed script/repair.ps1
	repairPart string
	//go:embed script/change.ps1
	changePart string
)

// ReadScript changes nothing, PushScript puts pictures there, RepairScript takes them back and mends permissions.
var (
	ReadScript   = Script{"read", commonPart + readPart, []string{"inventory", "check"}}
	PushScript   = Script{"push", commonPart + pushPart + changePart, []string{"put_file", "save_original", "set_values", "delete_files", "recover"}}
	RepairScript = Script{"repair", commonPart + repairPart + changePart, []string{"restore_original", "delete_values", "tighten_acl", "delete_files", "recover"}}
)

// Scripts lists them.
var Scripts = []Script{ReadScript, PushScript, RepairScript}

// Knows tells whether the script has a verb of that name.
func (s Script) Knows(verb string) bool { return slices.Contains(s.verbs, verb) }
