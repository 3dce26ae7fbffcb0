package simwin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxSDDL bounds the text of a descriptor: the binary form has at most 64 KB.
const maxSDDL = 64 << 10

// domainSID is the domain that domain-relative aliases (DA, DU, LA) are resolved in.
const domainSID = "S-1-5-21-1004336348-1177238915-682003330"

// sidAliases are the two-letter names of SDDL (MS-DTYP 2.5.1.1).
var sidAliases = map[string]string{
	"AC": "S-1-15-2-1", "AN": "S-1-5-7", "AO": "S-1-5-32-548", "AU": sidAuthenticated, "BA": sidAdministrators, "BG": "S-1-5-32-546",
	"BO": "S-1-5-32-551", "BU": sidUsers, "CA": domainSID + "-517", "CG": "S-1-3-1", "CO": sidCreatorOwner, "CY": "S-1-5-32-569",
	"DA": domainSID + "-512", "DC": domainSID + "-515", "DD": domainSID + "-516", "DG": domainSID + "-514", "DU": domainSID + "-513",
	"EA": domainSID + "-519", "ED": "S-1-5-9", "ER": "S-1-5-32-573", "HA": "S-1-5-32-578", "HI": "S-1-16-12288", "IS": "S-1-5-32-568",
	"IU": "S-1-5-4", "LA": domainSID + "-500", "LG": domainSID + "-501", "LS": "S-1-5-19", "LU": "S-1-5-32-559", "LW": "S-1-16-4096",
	"ME": "S-1-16-8192", "MU": "S-1-5-32-558", "NO": "S-1-5-32-556", "NS": "S-1-5-20", "NU": "S-1-5-2", "OW": "S-1-3-4",
	"PA": domainSID + "-520", "PO": "S-1-5-32-550", "PS": "S-1-5-10", "PU": "S-1-5-32-547", "RC": "S-1-5-12", "RD": "S-1-5-32-555",
	"RE": "S-1-5-32-552", "RM": "S-1-5-32-580", "RO": domainSID + "-498", "RS": domainSID + "-553", "RU": "S-1-5-32-554",
	"SA": domainSID + "-518", "SI": "S-1-16-16384", "SO": "S-1-5-32-549", "SU": "S-1-5-6", "SY": sidSystem, "WD": sidEveryone, "WR": "S-1-5-33",
}

// rightNames are the two-letter rights of SDDL.
var rightNames = map[string]uint32{
	"GA": genericAll, "GR": genericRead, "GW": genericWrite, "GX": genericExecute,
	"RC": rightReadControl, "SD": rightDelete, "WD": rightWriteDAC, "WO": rightWriteOwner,
	"CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
	"FA": 0x1f01ff, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200a0,
	"KA": 0xf003f, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019,
}

// ParseSDDL reads owner and DACL of a descriptor in SDDL (MS-DTYP 2.5.1). Group and SACL are checked for their form and left out.
// A text without a DACL is a null DACL.
func ParseSDDL(text string) (SecurityDescriptor, error) {
	if len(text) > maxSDDL {
		return SecurityDescriptor{}, fmt.Errorf("SDDL of %d bytes, want at most %d", len(text), maxSDDL)
	}
	sd := SecurityDescriptor{NullDACL: true}
	seen := ""
	for rest := text; rest != ""; {
		if len(rest) < 2 || rest[1] != ':' || !strings.Contains("OGDS", rest[:1]) || strings.Contains(seen, rest[:1]) {
			return SecurityDescriptor{}, fmt.Errorf("SDDL %q: want O:, G:, D: or S:, each once, at %q", text, rest)
		}
		part := rest[0]
		seen += rest[:1]
		body := rest[2:]
		end := sectionEnd(body)
		body, rest = body[:end], body[end:]
		if err := sd.readSection(part, body); err != nil {
			return SecurityDescriptor{}, fmt.Errorf("SDDL %q: %w", text, err)
		}
	}
	return sd, nil
}

// nested calls visit for every character with the number of parentheses that are open after it, until visit returns false.
// What stands in quotes, as a condition's strings do, opens and closes none.
func nested(s string, visit func(i, depth int) bool) {
	depth, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"' && depth > 0:
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
		if !visit(i, depth) {
			return
		}
	}
}

// sectionEnd finds where the next section begins: a letter with a colon outside parentheses.
func sectionEnd(body string) int {
	end := len(body)
	nested(body, func(i, depth int) bool {
		if body[i] == ':' && depth == 0 && i > 0 {
			end = i - 1
			return false
		}
		return true
	})
	return end
}

func (sd *SecurityDescriptor) readSection(part byte, body string) error {
	switch part {
	case 'O', 'G':
		sid, err := parseSID(body)
		if part == 'O' {
			sd.Owner = sid
		}
		return err
	case 'D':
		return sd.readDACL(body)
	}
	return nil
}

func (sd *SecurityDescriptor) readDACL(body string) error {
	flags, aces := body, ""
	if i := strings.IndexByte(body, '('); i >= 0 {
		flags, aces = body[:i], body[i:]
	}
	if flags == "NO_ACCESS_CONTROL" && aces == "" {
		return nil
	}
	sd.NullDACL = false
	for flags != "" {
		switch {
		case strings.HasPrefix(flags, "P"):
			sd.Protected, flags = true, flags[1:]
		case strings.HasPrefix(flags, "AI"):
			sd.AutoInherited, flags = true, flags[2:]
		case strings.HasPrefix(flags, "AR"):
			flags = flags[2:]
		default:
			return fmt.Errorf("unknown DACL flag %q", flags)
		}
	}
	for aces != "" {
		end, err := aceEnd(aces)
		if err != nil {
			return err
		}
		ace, err := parseACE(aces[1:end])
		if err != nil {
			return err
		}
		sd.DACL = append(sd.DACL, ace)
		aces = aces[end+1:]
	}
	return nil
}

// aceEnd is the index of the parenthesis that closes the one at index 0.
func aceEnd(s string) (int, error) {
	if s[0] != '(' {
		return 0, fmt.Errorf("want ( at %q", s)
	}
	end := 0
	nested(s, func(i, depth int) bool {
		if depth == 0 {
			end = i
		}
		return depth > 0
	})
	if end == 0 {
		return 0, errors.New("an entry is not closed")
	}
	return end, nil
}

func parseACE(s string) (ACE, error) {
	f := strings.SplitN(s, ";", 7)
	if len(f) < 6 {
		return ACE{}, fmt.Errorf("entry %q has %d fields, want 6", s, len(f))
	}
	ace := ACE{Kind: ACEKind(f[0])}
	switch callback := ace.Kind == AllowCallback || ace.Kind == DenyCallback; {
	case callback && len(f) != 7:
		return ACE{}, fmt.Errorf("conditional entry %q has no condition", s)
	case callback:
	case len(f) == 7:
		return ACE{}, fmt.Errorf("entry %q has 7 fields, want 6", s)
	case ace.Kind != Allow && ace.Kind != Deny && ace.Kind != AllowObject && ace.Kind != DenyObject:
		return ACE{}, fmt.Errorf("unknown kind of entry %q", f[0])
	}
	var err error
	if ace.Flags, err = parseFlags(f[1]); err != nil {
		return ACE{}, err
	}
	if ace.Mask, err = parseRights(f[2]); err != nil {
		return ACE{}, err
	}
	ace.SID, err = parseSID(f[5])
	return ace, err
}

func parseFlags(s string) (uint8, error) {
	var flags uint8
next:
	for s != "" {
		for _, f := range flagNames {
			if strings.HasPrefix(s, f.name) {
				flags |= f.bit
				s = s[len(f.name):]
				continue next
			}
		}
		return 0, fmt.Errorf("unknown flag of an entry at %q", s)
	}
	return flags, nil
}

func parseRights(s string) (uint32, error) {
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("rights %q are no number", s)
		}
		return uint32(n), nil
	}
	var mask uint32
	for s != "" {
		if len(s) < 2 {
			return 0, fmt.Errorf("unknown right %q", s)
		}
		right, ok := rightNames[s[:2]]
		if !ok {
			return 0, fmt.Errorf("unknown right %q", s[:2])
		}
		mask |= right
		s = s[2:]
	}
	return mask, nil
}

func parseSID(s string) (string, error) {
	if sid, ok := sidAliases[s]; ok {
		return sid, nil
	}
	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(parts) > 18 || parts[0] != "S" || parts[1] != "1" {
		return "", fmt.Errorf("%q is no SID", s)
	}
	if _, err := strconv.ParseUint(parts[2], 10, 48); err != nil {
		return "", fmt.Errorf("%q is no SID", s)
	}
	for _, sub := range parts[3:] {
		if _, err := strconv.ParseUint(sub, 10, 32); err != nil {
			return "", fmt.Errorf("%q is no SID", s)
		}
	}
	return s, nil
}
