package accountpicture

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"slices"
	"strings"
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

// A Block is one of the two pieces of text that PowerShell compiles in a run, and logs by itself.
type Block struct {
	Name    string // common, or that of its script
	Changes string // what it may change, for whoever approves it
	Text    string // lines joined by LF, the last one without: as the bootstrap gives it to PowerShell, and event 4104 shows it
}

// SHA256 is the hash of the block's text, lower-case hex.
func (b Block) SHA256() string { return textHash(b.Text) }

// SHA256 is the hash of the script as it is sent, lower-case hex.
func (s Script) SHA256() string { return textHash(s.Text) }

func textHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// endOfCommon is the last line of the block that all scripts have.
const endOfCommon = "#end-of-common\n"

var changes = map[string]string{
	"common": "nothing; it opens one file for itself alone, the lock",
	"read":   "nothing",
	"push": "files in <Program Files>\\photopush, and values Image32 to Image1080 of AccountPicture\\Users\\<SID>; " +
		"while it writes them, the permissions of that key where Windows made it so that administrators cannot",
	"repair": "the same, deleting values or setting them to what they were, and the key of a user that has none left; owner and permissions of AccountPicture\\Users and of the keys below it",
}

// Blocks are the script's two blocks, in the order in which they run.
func (s Script) Blocks() []Block {
	n := strings.Index(s.Text, endOfCommon) + len(endOfCommon)
	common, own := s.Text[:n], s.Text[n:]
	return []Block{
		{"common", changes["common"], strings.TrimSuffix(common, "\n")},
		{s.Name, changes[s.Name], strings.TrimSuffix(own, "\n")},
	}
}

// AllBlocks lists the blocks of all scripts, each once.
func AllBlocks() []Block {
	var all []Block
	for _, s := range Scripts {
		for _, b := range s.Blocks() {
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
}
