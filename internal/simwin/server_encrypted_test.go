package simwin

import (
	"bytes"
	"testing"
)

const spnegoEncrypted = "application/HTTP-SPNEGO-session-encrypted"

func TestEncryptedFrame(t *testing.T) {
	contentType, body := writeEncrypted(spnegoEncrypted, []byte("headerdata\r\n--"), 6, 8)
	sealed, n, err := readEncrypted(contentType, spnegoEncrypted, body)
	if err != nil || n != 8 || string(sealed) != "headerdata\r\n--" {
		t.Fatalf("got %q, %d, %v", sealed, n, err)
	}
	for name, bad := range map[string][]byte{
		"no tab": bytes.Replace(body, []byte("\tOriginal"), []byte("Original"), 1), "other length": bytes.Replace(body, []byte("Length=8"), []byte("Length=9"), 1),
		"cut": body[:len(body)-3], "empty": nil, "no length": bytes.Replace(body, []byte(";Length=8"), nil, 1),
	} {
		if _, _, err := readEncrypted(contentType, spnegoEncrypted, bad); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if _, _, err := readEncrypted(contentType, "application/HTTP-Kerberos-session-encrypted", body); err == nil {
		t.Error("the other protocol was taken")
	}
}

func FuzzEncryptedFrame(f *testing.F) {
	contentType, body := writeEncrypted(spnegoEncrypted, []byte("headerdata"), 6, 4)
	f.Add(body)
	f.Fuzz(func(t *testing.T, b []byte) {
		if sealed, n, err := readEncrypted(contentType, spnegoEncrypted, b); err == nil && (n > len(sealed) || len(sealed) > len(b)) {
			t.Errorf("%d of %d bytes, of %d", n, len(sealed), len(b))
		}
	})
}
