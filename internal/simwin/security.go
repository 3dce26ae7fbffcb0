package simwin

import (
	"fmt"
	"strings"
)

// A SecurityDescriptor is the owner and the DACL of a key, a folder or a file (MS-DTYP 2.4.6). Group and SACL are not kept:
// nothing here asks for them.
type SecurityDescriptor struct {
	Owner         string // SID; empty where the descriptor names none
	NullDACL      bool   // no DACL at all: everything is allowed to everybody
	Protected     bool   // P: nothing is inherited
	AutoInherited bool   // AI
	DACL          []ACE  // in the order in which they are evaluated
}

// An ACE is one entry of a DACL (MS-DTYP 2.4.4).
type ACE struct {
	Kind  ACEKind
	Flags uint8  // ACE_HEADER flags: objectInherit and so on
	Mask  uint32 // ACCESS_MASK, generic rights included
	SID   string
}

// An ACEKind tells allowing entries from denying ones.
type ACEKind string

const (
	Allow         ACEKind = "A"
	Deny          ACEKind = "D"
	AllowCallback ACEKind = "XA" // a conditional allow
	DenyCallback  ACEKind = "XD"
	AllowObject   ACEKind = "OA" // for directory objects; its mask counts like an allow
	DenyObject    ACEKind = "OD"
)

// Flags of an ACE (MS-DTYP 2.4.4.1).
const (
	objectInherit    = 0x01
	containerInherit = 0x02
	noPropagate      = 0x04
	inheritOnly      = 0x08
	inherited        = 0x10
)

// Rights of a descriptor's mask (MS-DTYP 2.4.3); the low bits mean what the kind of object says.
const (
	rightDelete      = 0x00010000
	rightReadControl = 0x00020000
	rightWriteDAC    = 0x00040000
	rightWriteOwner  = 0x00080000
	genericAll       = 0x10000000
	genericExecute   = 0x20000000
	genericWrite     = 0x40000000
	genericRead      = 0x80000000

	fileReadData      = 0x1   // list a folder
	fileWriteData     = 0x2   // add a file
	fileAppendData    = 0x4   // add a folder
	fileWriteEA       = 0x10  //
	fileDeleteChild   = 0x40  //
	fileReadAttribute = 0x80  //
	fileWriteAttr     = 0x100 //

	keyQueryValue   = 0x1
	keySetValue     = 0x2
	keyCreateSub    = 0x4
	keyEnumerateSub = 0x8
	keyCreateLink   = 0x20
	keyRead         = 0x20019
	keyWrite        = 0x20006
)

const (
	sidSystem           = "S-1-5-18"
	sidAdministrators   = "S-1-5-32-544"
	sidUsers            = "S-1-5-32-545"
	sidAuthenticated    = "S-1-5-11"
	sidEveryone         = "S-1-1-0"
	sidInteractive      = "S-1-5-4"
	sidCreatorOwner     = "S-1-3-0"
	sidOwnerRights      = "S-1-3-4"
	sidTrustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
)

// A mapping gives generic rights their meaning for one kind of object (MS-DTYP 2.4.3, GENERIC_MAPPING).
type mapping struct{ read, write, execute, all uint32 }

var (
	fileMapping = mapping{read: 0x120089, write: 0x120116, execute: 0x1200a0, all: 0x1f01ff}
	keyMapping  = mapping{read: 0x20019, write: 0x20006, execute: 0x20019, all: 0xf003f}
)

func (g mapping) specific(mask uint32) uint32 {
	specific := mask &^ 0xf0000000
	for generic, rights := range map[uint32]uint32{genericRead: g.read, genericWrite: g.write, genericExecute: g.execute, genericAll: g.all} {
		if mask&generic != 0 {
			specific |= rights
		}
	}
	return specific
}

// String writes the descriptor as SDDL with every right as a hexadecimal number: equal descriptors have equal texts.
func (sd SecurityDescriptor) String() string {
	var b strings.Builder
	if sd.Owner != "" {
		b.WriteString("O:" + sd.Owner)
	}
	b.WriteString("D:")
	if sd.NullDACL {
		b.WriteString("NO_ACCESS_CONTROL")
		return b.String()
	}
	if sd.Protected {
		b.WriteString("P")
	}
	if sd.AutoInherited {
		b.WriteString("AI")
	}
	for _, a := range sd.DACL {
		condition := ""
		if a.Kind == AllowCallback || a.Kind == DenyCallback {
			condition = ";(" + unknownCondition + ")"
		}
		fmt.Fprintf(&b, "(%s;%s;%#x;;;%s%s)", a.Kind, flagText(a.Flags), a.Mask, a.SID, condition)
	}
	return b.String()
}

// unknownCondition stands for every condition: conditions are read over, not kept.
const unknownCondition = "Exists kept_nowhere"

var flagNames = []struct {
	name string
	bit  uint8
}{{"OI", objectInherit}, {"CI", containerInherit}, {"NP", noPropagate}, {"IO", inheritOnly}, {"ID", inherited}, {"SA", 0x40}, {"FA", 0x80}}

func flagText(flags uint8) string {
	s := ""
	for _, f := range flagNames {
		if flags&f.bit != 0 {
			s += f.name
		}
	}
	return s
}
