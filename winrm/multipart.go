package winrm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Protocol names of encrypted messages (MS-WSMV 2.2.9.1.1 and 2.2.9.1.2): the first for contexts that were negotiated, the second for Kerberos
// without negotiation.
const (
	protocolNegotiate = "application/HTTP-SPNEGO-session-encrypted"
	protocolKerberos  = "application/HTTP-Kerberos-session-encrypted"
)

const boundary = "Encrypted Boundary"

// multipartType is the media type of a message that is framed for protocol.
func multipartType(protocol string) string {
	return `multipart/encrypted;protocol="` + protocol + `";boundary="` + boundary + `"`
}

// sealFunc appends a sealed message, and tells how long the header in it is; see gss.Context.
type sealFunc func(dst, message []byte) (sealed []byte, header int, err error)

// appendMultipart appends envelope, sealed, in the frame of MS-WSMV 2.2.9.1. Header fields begin with a tab there, and Length is that of the
// envelope: no mechanism here pads (RC4 of Kerberos would, which is not used to seal).
func appendMultipart(b []byte, protocol string, envelope []byte, seal sealFunc) ([]byte, error) {
	b = append(append(b, "--"+boundary+"\r\n\tContent-Type: "...), protocol...)
	b = append(b, "\r\n\tOriginalContent: type="+soapType+";Length="...)
	b = strconv.AppendInt(b, int64(len(envelope)), 10)
	b = append(b, "\r\n--"+boundary+"\r\n\tContent-Type: application/octet-stream\r\n"...)
	size := len(b)
	b = append(b, 0, 0, 0, 0)
	sealed, header, err := seal(b, envelope)
	if err != nil {
		return nil, err
	}
	total := len(sealed) - size - 4
	if header < 0 || header != total-len(envelope) {
		return nil, fmt.Errorf("a sealed message of %d bytes with a header of %d, made of %d", total, header, len(envelope))
	}
	binary.LittleEndian.PutUint32(sealed[size:], uint32(header))
	return append(sealed, "--"+boundary+"--\r\n"...), nil
}

var (
	errNotFramed = errors.New("no frame of an encrypted message")
	errNoLength  = errors.New("an encrypted message without its Length")
)

// maxPartHeader bounds the fields of one part, in bytes.
const maxPartHeader = 4 << 10

// framed is an encrypted message, still sealed: header and data in one piece, and how long the envelope in it should be.
type framed struct {
	sealed []byte
	length int
}

// parseMultipart takes the frame off a message. It knows the freedom that services take: fields with or without a tab, in any order and case,
// more or fewer line ends around the parts, either protocol name, any boundary. What is inside is checked by the security context.
func parseMultipart(contentType string, body []byte) (framed, error) {
	mark, err := boundaryOf(contentType)
	if err != nil {
		return framed{}, err
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(body, "\r\n"), mark)
	if !ok {
		return framed{}, errNotFramed
	}
	f := framed{length: -1}
	fields, rest, err := partFields(rest)
	if err != nil {
		return framed{}, err
	}
	for _, line := range fields {
		if name, value := fieldOf(line); strings.EqualFold(name, "OriginalContent") {
			if f.length, err = lengthOf(value); err != nil {
				return framed{}, err
			}
		}
	}
	if f.length < 0 {
		return framed{}, errNoLength
	}
	if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, "\r\n"), mark); !ok {
		return framed{}, errNotFramed
	}
	return f, f.data(rest, mark)
}

// data reads the second part, behind its boundary.
func (f *framed) data(rest, mark []byte) error {
	rest, ok := skipLine(rest)
	if !ok {
		return errNotFramed
	}
	for n := 0; ; n++ { // its fields end where no field follows, for the bytes after them are binary
		line, after, ok := cutLine(rest)
		if !ok || n == 8 || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(string(line[:min(len(line), 80)]))), "content-") {
			break
		}
		rest = after
	}
	end := lastMark(rest, mark)
	if end < 0 {
		return errNotFramed
	}
	for _, trim := range []int{0, 2} { // some peers end the data with a line
		for _, lead := range []int{0, 2} {
			if piece, ok := f.piece(rest[:end], lead, trim); ok {
				f.sealed = piece
				return nil
			}
		}
	}
	return fmt.Errorf("an encrypted message whose data is not as long as its Length %d says", f.length)
}

// piece is what is left of data without lead and trim bytes of line ends, if its lengths agree then: four bytes with the length of the header,
// the header, and as many bytes as Length says.
func (f *framed) piece(data []byte, lead, trim int) ([]byte, bool) {
	if len(data) < lead+trim+4 || string(data[:lead]) != "\r\n"[:lead] || string(data[len(data)-trim:]) != "\r\n"[:trim] {
		return nil, false
	}
	data = data[lead : len(data)-trim]
	header := binary.LittleEndian.Uint32(data)
	data = data[4:]
	return data, header <= math.MaxInt32 && int(header) <= len(data) && len(data)-int(header) == f.length
}

// lastMark is where the closing boundary begins, with nothing but line ends after it; -1 when there is none.
func lastMark(b, mark []byte) int {
	b = bytes.TrimRight(b, "\r\n")
	b, ok := bytes.CutSuffix(b, []byte("--"))
	if !ok || !bytes.HasSuffix(b, mark) {
		return -1
	}
	return len(b) - len(mark)
}

// boundaryOf reads the parameters of multipart/encrypted. They are not as mime wants them: Windows' boundary has a blank.
func boundaryOf(contentType string) ([]byte, error) {
	media, rest, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "multipart/encrypted") {
		return nil, errNotFramed
	}
	protocol, mark := "", ""
	for p := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "protocol":
			protocol = value
		case "boundary":
			mark = value
		}
	}
	switch {
	case !strings.EqualFold(protocol, protocolNegotiate) && !strings.EqualFold(protocol, protocolKerberos):
		return nil, fmt.Errorf("an encrypted message of the protocol %q", clean(protocol, 80))
	case mark == "" || len(mark) > 70: // RFC 2046, 5.1.1
		return nil, errNotFramed
	}
	return []byte("--" + mark), nil
}

// partFields reads the lines of a part up to an empty line or the next boundary.
func partFields(b []byte) (lines []string, rest []byte, err error) {
	rest, ok := skipLine(b)
	for used := 0; ok; {
		line, after, more := cutLine(rest)
		if used += len(line) + 2; !more || used > maxPartHeader {
			return nil, nil, errNotFramed
		}
		if bytes.HasPrefix(line, []byte("--")) || len(line) == 0 {
			return lines, rest, nil
		}
		lines, rest = append(lines, string(line)), after
	}
	return nil, nil, errNotFramed
}

// cutLine cuts at the end of a line, CRLF or LF.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), maxPartHeader)], '\n')
	if i < 0 {
		return nil, nil, false
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:], true
}

// skipLine passes the end of a line that must have nothing more than blanks.
func skipLine(b []byte) ([]byte, bool) {
	line, rest, ok := cutLine(b)
	return rest, ok && len(bytes.TrimSpace(line)) == 0
}

func fieldOf(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	return strings.TrimSpace(name), strings.TrimSpace(value)
}

// lengthOf reads the Length of an OriginalContent.
func lengthOf(value string) (int, error) {
	for p := range strings.SplitSeq(value, ";") {
		name, text, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(name), "Length") {
			n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
			if err != nil {
				return 0, fmt.Errorf("an encrypted message with the Length %q", clean(text, 40))
			}
			return int(n), nil
		}
	}
	return 0, errNoLength
}
