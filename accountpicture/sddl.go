package accountpicture

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of an SDDL text of a workstation. Windows' own for a key have some 300 characters and a handful of entries.
const (
	maxSDDL    = 8_000 // UTF-16 code units; the script cuts there
	maxEntries = 500   // the shortest entry has 9 characters
)

// An ACL is owner and DACL of a key, as far as they count here (MS-DTYP 2.4.6).
type ACL struct {
	Owner     string // a trustee
	Protected bool   // entries of the key above are not inherited
	Open      bool   // there is no DACL at all: everybody may do everything
	Entries   []Entry
}

// An Entry is one of a DACL (ACE, MS-DTYP 2.4.4).
type Entry struct {
	Allow       bool // else it denies
	Container   bool // CI: keys below inherit it
	Object      bool // OI: means nothing for keys
	NoPropagate bool // NP: keys further below do not inherit it
	InheritOnly bool // IO: it does not count for the key itself
	Inherited   bool // ID: it comes from the key above
	Mask        uint32
	Trustee     string // a SID; or the two letters of SDDL where it is one of a domain, such as DU: SDDL does not say of which
	Kind        string // as in SDDL: A, D; OA, OD of objects; XA, XD, ZA with a condition
	Rest        string // GUIDs and condition, as they stand there
}

// Rights of a registry key (MS-RRP 2.2.3, MS-DTYP 2.4.3).
const (
	keySetValue     = 0x2
	keyCreateSubKey = 0x4
	keyCreateLink   = 0x20
	keyDelete       = 0x10000
	keyWriteDAC     = 0x40000
	keyWriteOwner   = 0x80000
	keyAll          = 0xf003f
	keyRead         = 0x20019
	genericAll      = 0x10000000
	genericWrite    = 0x40000000
)

// rightsOf are the words for rights (MS-DTYP 2.5.1.1, text-rights-string). Those of directories are only other names of the lowest bits: Windows
// prints KEY_READ as CCSWRPRC.
var rightsOf = map[string]uint32{
	"GA": genericAll, "GX": 0x20000000, "GW": genericWrite, "GR": 0x80000000,
	"WO": keyWriteOwner, "WD": keyWriteDAC, "RC": 0x20000, "SD": keyDelete,
	"CR": 0x100, "LO": 0x80, "DT": 0x40, "WP": 0x20, "RP": 0x10, "SW": 0x8, "LC": 0x4, "DC": 0x2, "CC": 0x1,
	"KA": keyAll, "KR": keyRead, "KX": keyRead, "KW": 0x20006,
	"FA": 0x1f01ff, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200a0,
}

// aliases are the two letters of trustees that are the same everywhere (MS-DTYP 2.5.1.1 sid-token, 2.4.2.4).
var aliases = map[string]string{
	"WD": "S-1-1-0", "CO": "S-1-3-0", "CG": "S-1-3-1", "OW": "S-1-3-4",
	"NU": "S-1-5-2", "IU": "S-1-5-4", "SU": "S-1-5-6", "AN": "S-1-5-7", "ED": "S-1-5-9", "PS": "S-1-5-10", "AU": "S-1-5-11",
	"RC": "S-1-5-12", "SY": "S-1-5-18", "LS": "S-1-5-19", "NS": "S-1-5-20", "WR": "S-1-5-33",
	"BA": "S-1-5-32-544", "BU": "S-1-5-32-545", "BG": "S-1-5-32-546", "PU": "S-1-5-32-547", "AO": "S-1-5-32-548", "SO": "S-1-5-32-549",
	"PO": "S-1-5-32-550", "BO": "S-1-5-32-551", "RE": "S-1-5-32-552", "RU": "S-1-5-32-554", "RD": "S-1-5-32-555", "NO": "S-1-5-32-556",
	"MU": "S-1-5-32-558", "LU": "S-1-5-32-559", "IS": "S-1-5-32-568", "CY": "S-1-5-32-569", "ER": "S-1-5-32-573", "CD": "S-1-5-32-574",
	"RA": "S-1-5-32-575", "ES": "S-1-5-32-576", "MS": "S-1-5-32-577", "HA": "S-1-5-32-578", "AA": "S-1-5-32-579", "RM": "S-1-5-32-580",
	"AC": "S-1-15-2-1", "AS": "S-1-18-1", "SS": "S-1-18-2", "UD": "S-1-5-84-0-0-0-0-0",
}

// relative are the two letters of trustees of a domain or of this computer; SDDL leaves open of which.
var relative = []string{"LA", "LG", "DA", "DU", "DG", "DC", "DD", "CA", "SA", "EA", "PA", "CN", "AP", "KA", "EK", "RO", "RS"}

// ParseSDDL reads owner and DACL. It is hostile input: what Windows would not write is an error.
func ParseSDDL(text string) (ACL, error) {
	acl, err := parseSDDL(text)
	if err != nil {
		return ACL{}, fmt.Errorf("read the permissions %q: %w", cut(text, 60), err)
	}
	return acl, nil
}

// aclFlags stand before the entries (MS-DTYP 2.5.1.1, acl-flag-string; NO_ACCESS_CONTROL is what Windows writes for none at all).
var aclFlags = regexp.MustCompile(`\A(?:P|AR|AI|NO_ACCESS_CONTROL)*`)

func parseSDDL(text string) (ACL, error) {
	acl := ACL{Open: true}
	if units(text) >= maxSDDL {
		return acl, fmt.Errorf("they have %d characters or more, and may be cut", maxSDDL)
	}
	rest, ok := strings.CutPrefix(text, "O:")
	if !ok {
		return acl, errors.New("they name no owner")
	}
	// What comes next, a group or the DACL, is two characters: no SID has a colon.
	owner := rest
	if i := strings.IndexByte(rest, ':'); i > 0 {
		owner, rest = rest[:i-1], rest[i-1:]
	} else {
		rest = ""
	}
	var err error
	if acl.Owner, err = parseTrustee(owner); err != nil {
		return acl, fmt.Errorf("the owner: %w", err)
	}
	if rest == "" {
		return acl, nil
	}
	if rest, ok = strings.CutPrefix(rest, "D:"); !ok {
		return acl, errors.New("no DACL follows the owner")
	}
	flags := aclFlags.FindString(rest)
	rest = rest[len(flags):]
	if acl.Open = strings.Contains(flags, "NO_ACCESS_CONTROL"); acl.Open && rest != "" {
		return acl, errors.New("entries stand where there is no DACL")
	}
	acl.Protected = strings.Contains(strings.ReplaceAll(flags, "NO_ACCESS_CONTROL", ""), "P")
	acl.Entries, err = parseEntries(rest)
	return acl, err
}

func parseEntries(text string) ([]Entry, error) {
	var entries []Entry
	for text != "" {
		if len(entries) == maxEntries {
			return nil, fmt.Errorf("they have more than %d entries", maxEntries)
		}
		one, rest, err := cutEntry(text)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries)+1, err)
		}
		e, err := parseEntry(one)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries)+1, err)
		}
		entries, text = append(entries, e), rest
	}
	return entries, nil
}

// cutEntry takes the first entry off, without its parentheses. A condition may hold more of them, and texts in quotes.
func cutEntry(text string) (one, rest string, err error) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if depth == 0 {
			if i == 0 {
				break
			}
			return text[1:i], text[i+1:], nil
		}
	}
	return "", "", errors.New("it is in no parentheses")
}

// kinds are the types of entries of a DACL (MS-DTYP 2.5.1.1, ace-type and conditional-ace-type), and whether they allow.
var kinds = map[string]bool{"A": true, "OA": true, "XA": true, "ZA": true, "D": false, "OD": false, "XD": false}

func parseEntry(text string) (Entry, error) {
	f := strings.SplitN(text, ";", 7)
	if len(f) < 6 {
		return Entry{}, fmt.Errorf("it has %d fields, want at least 6", len(f))
	}
	allow, known := kinds[f[0]]
	if !known {
		return Entry{}, fmt.Errorf("its type is %q", cut(f[0], 20))
	}
	e := Entry{Kind: f[0], Allow: allow, Rest: strings.Join(append(f[3:5:5], f[6:]...), ";")}
	var err error
	if err := e.setFlags(f[1]); err != nil {
		return Entry{}, err
	}
	if e.Mask, err = parseMask(f[2]); err != nil {
		return Entry{}, err
	}
	e.Trustee, err = parseTrustee(f[5])
	return e, err
}

// setFlags reads the flags of inheritance (MS-DTYP 2.5.1.1, ace-flag-string).
func (e *Entry) setFlags(text string) error {
	flags := map[string]*bool{"CI": &e.Container, "OI": &e.Object, "NP": &e.NoPropagate, "IO": &e.InheritOnly, "ID": &e.Inherited}
	for rest := text; rest != ""; {
		flag, ok := flags[rest[:min(2, len(rest))]]
		if !ok || *flag {
			return fmt.Errorf("its flags are %q", cut(text, 20))
		}
		*flag, rest = true, rest[2:]
	}
	return nil
}

// numberForm is a mask in hexadecimal, octal or decimal digits (MS-DTYP 2.5.1.1, ace-rights).
var numberForm = regexp.MustCompile(`\A(0x[0-9A-Fa-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9})\z`)

func parseMask(text string) (uint32, error) {
	if numberForm.MatchString(text) {
		n, err := strconv.ParseUint(text, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("its rights are %q", text)
		}
		return uint32(n), nil
	}
	var mask uint32
	for rest := text; rest != ""; {
		right, ok := rightsOf[rest[:min(2, len(rest))]]
		if !ok {
			return 0, fmt.Errorf("its rights are %q", cut(text, 20))
		}
		mask, rest = mask|right, rest[2:]
	}
	return mask, nil
}

// parseTrustee reads a SID, or two letters that stand for one.
func parseTrustee(text string) (string, error) {
	if sid, ok := aliases[text]; ok {
		return sid, nil
	}
	if sidForm.MatchString(text) || slices.Contains(relative, text) {
		return text, nil
	}
	return "", fmt.Errorf("%q is no trustee", cut(text, 40))
}

// Missing are the entries of a that b has not; how often and in which order they stand there means nothing.
func (a ACL) missing(b ACL) []Entry {
	var missing []Entry
	for _, e := range a.Entries {
		if !slices.Contains(b.Entries, e) && !slices.Contains(missing, e) {
			missing = append(missing, e)
		}
	}
	return missing
}

// SameAs is nil where b grants exactly what a does: the same owner, and the same set of entries. Else its error names what differs. A
// protection that b has and a has not is no difference: it had to be added so that nothing is inherited anew (docs/script.md).
func (a ACL) SameAs(b ACL) error {
	var errs []error
	if a.Owner != b.Owner {
		errs = append(errs, fmt.Errorf("the owner is %s, was %s", b.Owner, a.Owner))
	}
	errs = append(errs,
		fault(a.Open == b.Open, "no DACL at all: %t, was %t", b.Open, a.Open),
		fault(!a.Protected || b.Protected, "they are no longer protected from inheritance"))
	for _, e := range a.missing(b) {
		errs = append(errs, fmt.Errorf("%s is missing", e))
	}
	for _, e := range b.missing(a) {
		errs = append(errs, fmt.Errorf("%s was added", e))
	}
	return errors.Join(errs...)
}

// String is the entry as SDDL would have it.
func (e Entry) String() string {
	flags := ""
	for _, f := range []struct {
		set  bool
		name string
	}{{e.Object, "OI"}, {e.Container, "CI"}, {e.NoPropagate, "NP"}, {e.InheritOnly, "IO"}, {e.Inherited, "ID"}} {
		if f.set {
			flags += f.name
		}
	}
	rest := append(strings.SplitN(e.Rest, ";", 3), "", "")
	text := fmt.Sprintf("%s;%s;0x%x;%s;%s;%s", e.Kind, flags, e.Mask, rest[0], rest[1], e.Trustee)
	if rest[2] != "" {
		text += ";" + rest[2]
	}
	return "(" + clean(text, 200) + ")"
}
