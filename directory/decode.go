package directory

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// decodeSID reads a binary SID (MS-DTYP 2.4.2.2): revision, count, 48-bit authority big-endian, sub-authorities little-endian.
func decodeSID(b []byte) (photopush.SID, error) {
	if len(b) < 8 || b[0] != 1 || b[1] > 15 || len(b) != 8+4*int(b[1]) {
		return "", fmt.Errorf("objectSid of %d bytes is no SID", len(b))
	}
	authority := binary.BigEndian.Uint64(append([]byte{0, 0}, b[2:8]...))
	var s strings.Builder
	s.WriteString("S-1-")
	if authority < 1<<32 {
		s.WriteString(strconv.FormatUint(authority, 10))
	} else {
		fmt.Fprintf(&s, "0x%012X", authority)
	}
	for sub := b[8:]; len(sub) > 0; sub = sub[4:] {
		s.WriteByte('-')
		s.WriteString(strconv.FormatUint(uint64(binary.LittleEndian.Uint32(sub)), 10))
	}
	return photopush.SID(s.String()), nil
}

// encodeSID is the binary form of an account's SID, S-1-5-21-….
func encodeSID(sid photopush.SID) ([]byte, error) {
	fail := fmt.Errorf("%q is not the SID of an account, S-1-5-21-…", clip(string(sid)))
	if !sid.IsAccount() {
		return nil, fail
	}
	parts := strings.Split(string(sid), "-")[3:]
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5}
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return nil, fail
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b, nil
}

// A rawGUID is an objectGUID as it travels (MS-DTYP 2.3.4.2): the first three fields little-endian, the rest as written.
type rawGUID [16]byte

func decodeGUID(b []byte) (rawGUID, error) {
	if len(b) != 16 {
		return rawGUID{}, fmt.Errorf("objectGUID has %d bytes, want 16", len(b))
	}
	return rawGUID(b), nil
}

func (g rawGUID) compare(other rawGUID) int { return bytes.Compare(g[:], other[:]) }

// GUID is the form with dashes.
func (g rawGUID) GUID() photopush.GUID {
	b := [16]byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]}
	copy(b[8:], g[8:])
	s := hex.EncodeToString(b[:])
	return photopush.GUID(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

// encodeGUID is the opposite of GUID.
func encodeGUID(id photopush.GUID) (g rawGUID, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	if err == nil && len(b) == len(g) {
		g = rawGUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
		copy(g[8:], b[8:])
	}
	if g.GUID() != id {
		return rawGUID{}, fmt.Errorf("%q is no GUID", clip(string(id)))
	}
	return g, nil
}

// epochDifference is the number of 100 ns steps from 1601 to 1970.
const epochDifference = 116444736000000000

// decodeFileTime reads a FILETIME written as a number: steps of 100 ns since 1601, UTC. 0 and the largest number mean never
// (MS-ADA1 2.3 accountExpires, MS-ADA3 2.175 pwdLastSet): the zero time.
func decodeFileTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < 0:
		return time.Time{}, fmt.Errorf("%q is not a time (100 ns since 1601)", clip(s))
	case n == 0 || n == math.MaxInt64:
		return time.Time{}, nil
	}
	n -= epochDifference
	return time.Unix(n/1e7, n%1e7*100).UTC(), nil
}

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	accountDisable = 0x2
	serverTrust    = 0x2000
	partialSecrets = 0x4000000
)

// decodeAccountControl reads userAccountControl: a 32-bit number that is written with a sign.
func decodeAccountControl(s string) (uint32, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxUint32 {
		return 0, fmt.Errorf("userAccountControl %q is no 32-bit number", clip(s))
	}
	return uint32(n), nil
}

var errNotHost = errors.New("dNSHostName is no host name")

// decodeHost reads a dNSHostName, which the computer itself may write. It becomes an address, so that it must be a host name.
func decodeHost(s string) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(s, "."))
	if host == "" {
		return "", nil
	}
	if len(host) > 253 {
		return "", errNotHost
	}
	for label := range strings.SplitSeq(host, ".") {
		if !hostLabel(label) {
			return "", errNotHost
		}
	}
	return host, nil
}

// hostLabel allows the underscore too, which Windows takes in computer names. All digits are allowed in front of a domain.
func hostLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// maxText bounds a text attribute, in bytes; the longest that the schema allows in what we read is a DN of some 2,000.
const maxText = 4096

// decodeText makes a text that is valid, bounded and free of control characters of whatever a directory holds.
func decodeText(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "\ufffd")
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// clip shortens what is quoted in an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
