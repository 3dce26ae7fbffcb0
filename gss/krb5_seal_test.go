package gss

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

// headers are the lengths that WinRM has to split off (MS-WSMV 2.2.9.1, for RRC = checksum + 16).
var headers = map[int32]int{
	etypeID.AES128_CTS_HMAC_SHA1_96: 60, etypeID.AES256_CTS_HMAC_SHA1_96: 60,
	etypeID.AES128_CTS_HMAC_SHA256_128: 64, etypeID.AES256_CTS_HMAC_SHA384_192: 72,
}

func sealKey(t testing.TB, etype int32) types.EncryptionKey {
	t.Helper()
	key := make([]byte, keySize(etype))
	rand.Read(key)
	return types.EncryptionKey{KeyType: etype, KeyValue: key}
}

func sealPair(t testing.TB, key types.EncryptionKey) (initiator, acceptor *kerberosSeal) {
	t.Helper()
	i, err := newKerberosSeal(key, true, true, 7, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newKerberosSeal(key, false, true, 1<<30, 7)
	if err != nil {
		t.Fatal(err)
	}
	return i, a
}

func TestSealBothWays(t *testing.T) {
	for etype, header := range headers {
		i, a := sealPair(t, sealKey(t, etype))
		for _, size := range []int{0, 1, 15, 16, 17, 31, 32, 33, 100, 6000, 410_000} {
			message := make([]byte, size)
			rand.Read(message)
			for _, way := range [][2]*kerberosSeal{{i, a}, {a, i}} {
				sealed, n, err := way[0].Seal([]byte("before"), message)
				if err != nil || n != header || len(sealed) != 6+header+size || string(sealed[:6]) != "before" {
					t.Fatalf("type %d, %d bytes: header %d, %d in all, %v", etype, size, n, len(sealed), err)
				}
				if got, err := way[1].Unseal(sealed[6:]); err != nil || !bytes.Equal(got, message) {
					t.Fatalf("type %d, %d bytes: %v", etype, size, err)
				}
			}
		}
	}
}

// TestSealIsKerberos: the library's own decryption reads what we seal, and we read what it encrypts.
func TestSealIsKerberos(t *testing.T) {
	for etype, header := range headers {
		key := sealKey(t, etype)
		e, err := crypto.GetEtype(key.KeyType)
		if err != nil {
			t.Fatal(err)
		}
		for size := range 70 {
			i, a := sealPair(t, key)
			message := bytes.Repeat([]byte{'m'}, size)
			sealed, _, err := i.Seal(nil, message)
			if err != nil {
				t.Fatal(err)
			}
			if rrc := binary.BigEndian.Uint16(sealed[6:]); int(rrc) != header-32 {
				t.Fatalf("RRC is %d", rrc)
			}
			rest := bytes.Clone(sealed[16:])
			rotateLeft(rest, header-32)
			plain, err := crypto.DecryptMessage(rest, key, usageInitiatorSeal)
			if err != nil || !bytes.HasPrefix(plain, message) || len(plain) != size+16 {
				t.Fatalf("type %d, %d bytes: the library reads %d bytes, %v", etype, size, len(plain), err)
			}
			// Another peer's layout: EC 16, no rotation.
			head := []byte{5, 4, flagSealed | flagAcceptorSubkey, 0xff, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}
			_, theirs, err := e.EncryptMessage(key.KeyValue, append(append(bytes.Clone(message), make([]byte, 16)...), head...), usageInitiatorSeal)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := a.Unseal(append(head, theirs...)); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("type %d, %d bytes of another layout: %v", etype, size, err)
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	i, a := sealPair(t, sealKey(t, etypeID.AES256_CTS_HMAC_SHA1_96))
	good, _, _ := i.Seal(nil, []byte("a message of some length"))
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		if _, err := a.Unseal(bad); err == nil {
			t.Errorf("a message with byte %d altered was taken", at)
		}
	}
	for n := range good {
		if _, err := a.Unseal(bytes.Clone(good[:n])); err == nil {
			t.Errorf("the first %d bytes were taken for a message", n)
		}
	}
	if _, err := i.Unseal(bytes.Clone(good)); !errors.Is(err, errSealFlags) {
		t.Errorf("our own message came back: %v", err)
	}
	if _, err := a.Unseal(bytes.Clone(good)); err != nil {
		t.Errorf("the good one after the bad ones: %v", err)
	}
	if _, err := a.Unseal(good); !errors.Is(err, errSequence) {
		t.Errorf("a message twice: %v", err)
	}
	if _, err := newKerberosSeal(types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: make([]byte, 3)}, true, true, 0, 0); err == nil {
		t.Error("a key of 3 bytes was taken")
	}
}

func TestSignBothWays(t *testing.T) {
	for etype := range headers {
		i, a := sealPair(t, sealKey(t, etype))
		for _, size := range []int{0, 1, 4, 17, 6000} {
			message := make([]byte, size)
			rand.Read(message)
			for _, way := range [][2]*kerberosSeal{{i, a}, {a, i}} {
				signed, err := way[0].Sign([]byte("before"), message)
				if err != nil || len(signed) != 6+wrapHeader+size+way[0].out.check || string(signed[:6]) != "before" {
					t.Fatalf("type %d, %d bytes: %d in all, %v", etype, size, len(signed), err)
				}
				for rotate := range 3 { // peers may rotate differently
					token := bytes.Clone(signed[6:])
					rotateLeft(token[wrapHeader:], (len(token)-wrapHeader-rotate)%(len(token)-wrapHeader))
					binary.BigEndian.PutUint16(token[6:], uint16(rotate))
					got, err := way[1].Verify(token)
					if err != nil || !bytes.Equal(got, message) {
						t.Fatalf("type %d, %d bytes rotated by %d: %v", etype, size, rotate, err)
					}
					way[1].in.seq--
				}
				way[1].in.seq++
			}
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	i, a := sealPair(t, sealKey(t, etypeID.AES256_CTS_HMAC_SHA1_96))
	good, _ := i.Sign(nil, []byte("\x01\x00\x00\x00"))
	for at := range good {
		if at == 6 || at == 7 {
			continue // RRC tells how the rest is rotated; another one makes another message or the same one
		}
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		if _, err := a.Verify(bad); err == nil {
			t.Errorf("a message with byte %d altered was taken", at)
		}
	}
	for n := range good {
		if _, err := a.Verify(bytes.Clone(good[:n])); err == nil {
			t.Errorf("the first %d bytes were taken for a message", n)
		}
	}
	if _, err := i.Verify(bytes.Clone(good)); !errors.Is(err, errSealFlags) {
		t.Errorf("our own message came back: %v", err)
	}
	if _, err := a.Unseal(bytes.Clone(append(good, make([]byte, 60)...))); !errors.Is(err, errSealFlags) {
		t.Errorf("it was taken for a sealed one: %v", err)
	}
	sealed, _, _ := i.Seal(nil, []byte("sealed"))
	if _, err := a.Verify(bytes.Clone(sealed)); !errors.Is(err, errSealFlags) {
		t.Errorf("a sealed one was taken for a signed one: %v", err)
	}
	if _, err := a.Verify(bytes.Clone(good)); err != nil {
		t.Errorf("the good one after the bad ones: %v", err)
	}
	if _, err := a.Verify(good); !errors.Is(err, errSequence) {
		t.Errorf("a message twice: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	key := types.EncryptionKey{KeyType: etypeID.AES128_CTS_HMAC_SHA1_96, KeyValue: make([]byte, 16)}
	i, _ := sealPair(f, key)
	good, _ := i.Sign(nil, []byte("hello"))
	f.Add(good)
	f.Add(append([]byte{5, 4, 4, 0xff, 0, 12, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 44)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, a := sealPair(t, key)
		if got, err := a.Verify(bytes.Clone(b)); err == nil && len(got) != len(b)-wrapHeader-a.in.check {
			t.Errorf("%d bytes from %d", len(got), len(b))
		}
	})
}

func FuzzUnseal(f *testing.F) {
	key := types.EncryptionKey{KeyType: etypeID.AES128_CTS_HMAC_SHA1_96, KeyValue: make([]byte, 16)}
	i, _ := sealPair(f, key)
	good, _, _ := i.Seal(nil, []byte("hello"))
	f.Add(good)
	f.Add(append([]byte{5, 4, 6, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 44)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, a := sealPair(t, key)
		if got, err := a.Unseal(bytes.Clone(b)); err == nil && len(got) > len(b)-2*wrapHeader-aes.BlockSize {
			t.Errorf("%d bytes from %d", len(got), len(b))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	i, _ := sealPair(b, sealKey(b, etypeID.AES256_CTS_HMAC_SHA1_96))
	message, buf := make([]byte, 300<<10), []byte(nil)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = i.Seal(buf[:0], message)
	}
}
