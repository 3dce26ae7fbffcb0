package winrm

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// frame is a message as Windows frames it.
func frame(protocol, length, data string) string {
	return "--Encrypted Boundary\r\n\tContent-Type: " + protocol + "\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=" + length +
		"\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n" + data + "--Encrypted Boundary--\r\n"
}

var sealedData = string(binary.LittleEndian.AppendUint32(nil, 4)) + "HEADdata\r\n"

func TestMultipart(t *testing.T) {
	seal := func(dst, m []byte) ([]byte, int, error) { return append(append(dst, "HEAD"...), m...), 4, nil }
	for _, protocol := range []string{protocolNegotiate, protocolKerberos} {
		got, err := appendMultipart(nil, protocol, []byte("data\r\n"), seal)
		if want := frame(protocol, "6", sealedData); err != nil || string(got) != want {
			t.Errorf("got %q, %v\nwant %q", got, err, want)
		}
	}
	padded := func(dst, m []byte) ([]byte, int, error) {
		return append(append(append(dst, "HEAD"...), m...), 1), 4, nil
	}
	if got, err := appendMultipart(nil, protocolKerberos, []byte("data"), padded); err == nil {
		t.Errorf("data longer than the message is framed: %q", got)
	}
}

// TestLooseFrames: peers frame in their own ways.
func TestLooseFrames(t *testing.T) {
	usual := frame(protocolNegotiate, "6", sealedData)
	for name, body := range map[string]string{
		"usual":          usual,
		"kerberos":       frame(protocolKerberos, "6", sealedData),
		"no tabs":        strings.ReplaceAll(usual, "\t", ""),
		"blanks":         strings.ReplaceAll(usual, "\t", "  "),
		"lines between":  strings.Replace(usual, "\r\n--Enc", "\r\n\r\n--Enc", 1),
		"lines before":   "\r\n" + usual,
		"empty line":     strings.Replace(usual, "octet-stream\r\n", "octet-stream\r\n\r\n", 1),
		"line after":     strings.Replace(usual, "--Encrypted Boundary--", "\r\n--Encrypted Boundary--", 1),
		"no line at end": strings.TrimSuffix(usual, "\r\n"),
		"case":           strings.ReplaceAll(usual, "OriginalContent", "originalcontent"),
		"blank in value": strings.ReplaceAll(usual, ";Length=", "; Length="),
	} {
		f, err := parseMultipart(multipartType(protocolNegotiate), []byte(body))
		if err != nil || string(f.sealed) != "HEADdata\r\n" || f.length != 6 {
			t.Errorf("%s: got %q, %d, %v", name, f.sealed, f.length, err)
		}
	}
	for name, body := range map[string]string{
		"empty": "", "short": usual[:60], "no end": strings.TrimSuffix(usual, "--\r\n"), "no length": strings.ReplaceAll(usual, "Length", "Size"),
		"too long": frame(protocolNegotiate, "7", sealedData), "too short": frame(protocolNegotiate, "5", sealedData),
		"negative": frame(protocolNegotiate, "-6", sealedData), "huge": frame(protocolNegotiate, "99999999999999999999", sealedData),
		"header too long": frame(protocolNegotiate, "6", "\xff\xff\xff\xffHEADdata\r\n"),
	} {
		if f, err := parseMultipart(multipartType(protocolNegotiate), []byte(body)); err == nil {
			t.Errorf("%s: taken as %q", name, f.sealed)
		}
	}
	for _, contentType := range []string{"", soapType, "multipart/encrypted", `multipart/encrypted;protocol="x";boundary="Encrypted Boundary"`,
		`multipart/encrypted;protocol="` + protocolNegotiate + `";boundary=""`} {
		if _, err := parseMultipart(contentType, []byte(usual)); err == nil {
			t.Errorf("%q was taken", contentType)
		}
	}
}

func TestMultipartCopies(t *testing.T) {
	h, envelope := &negotiation{protocol: protocolNegotiate}, make([]byte, 400<<10)
	c := &negotiated{how: h, context: &sealing{}}
	n := testing.AllocsPerRun(10, func() {
		if _, _, err := c.seal(envelope); err != nil {
			t.Fatal(err)
		}
	})
	if n > 20 {
		t.Errorf("%.0f allocations for a message whose buffer is there", n)
	}
}

func FuzzMultipart(f *testing.F) {
	usual := frame(protocolNegotiate, "6", sealedData)
	f.Add(multipartType(protocolNegotiate), []byte(usual))
	f.Add(multipartType(protocolKerberos), []byte(strings.ReplaceAll(frame(protocolKerberos, "6", sealedData), "\t", "")))
	f.Add(multipartType(protocolNegotiate), []byte(strings.Replace(usual, "octet-stream\r\n", "octet-stream\r\n\r\n", 1)))
	f.Add(`multipart/encrypted; boundary=x; protocol=`+protocolKerberos, []byte("--x\n--x\n--x--"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		m, err := parseMultipart(contentType, body)
		if err != nil {
			return
		}
		if m.length < 0 || len(m.sealed) < m.length || !bytes.Contains(body, m.sealed) {
			t.Errorf("length %d of %d bytes", m.length, len(m.sealed))
		}
	})
}
