package simwin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
)

var errFraming = errors.New("the message is not framed as MS-WSMV 2.2.9.1 says")

// readEncrypted takes a sealed message out of its frame, strictly: header fields begin with a tab, and Length is that of the message. It
// returns the mechanism's header and data as one piece.
func readEncrypted(contentType, protocol string, body []byte) (sealed []byte, length int, err error) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/encrypted" || parameters["protocol"] != protocol || parameters["boundary"] != "Encrypted Boundary" {
		return nil, 0, errFraming
	}
	rest, ok := bytes.CutPrefix(body, []byte("--Encrypted Boundary\r\n\tContent-Type: "+protocol+"\r\n\tOriginalContent: "))
	if !ok {
		return nil, 0, errFraming
	}
	original, rest, ok := bytes.Cut(rest, []byte("\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"))
	if !ok {
		return nil, 0, errFraming
	}
	_, digits, ok := strings.Cut(string(original), ";Length=")
	if length, err = strconv.Atoi(digits); !ok || err != nil || length < 0 || !strings.HasPrefix(string(original), "type=application/soap+xml") {
		return nil, 0, errFraming
	}
	data, ok := bytes.CutSuffix(rest, []byte("--Encrypted Boundary--\r\n"))
	if !ok || len(data) < 4 {
		return nil, 0, errFraming
	}
	header := int64(binary.LittleEndian.Uint32(data))
	if sealed = data[4:]; int64(len(sealed)) != header+int64(length) {
		return nil, 0, errFraming
	}
	return sealed, length, nil
}

// writeEncrypted frames an answer.
func writeEncrypted(protocol string, sealed []byte, header, length int) (contentType string, body []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--Encrypted Boundary\r\n\tContent-Type: %s\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n", protocol, length)
	b.WriteString("--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(header)))
	b.Write(sealed)
	b.WriteString("--Encrypted Boundary--\r\n")
	return `multipart/encrypted;protocol="` + protocol + `";boundary="Encrypted Boundary"`, b.Bytes()
}
