package gss

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"strings"
	"time"

	//lint:ignore SA1019 the keys of NTLM, and of Kerberos' RC4, are made of MD4 (MS-NLMP 3.3.1, RFC 4757 section 2)
	"golang.org/x/crypto/md4"
)

func hmacMD5(key []byte, parts ...[]byte) []byte {
	m := hmac.New(md5.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// ntHash is the password's hash that Windows keeps, and Kerberos' RC4 key. (gokrb5's is another for passwords with other letters than those of ASCII.)
func ntHash(password string) []byte {
	h := md4.New()
	h.Write(toUTF16(password))
	return h.Sum(nil)
}

// ntlmResponseKey is NTOWFv2, which is LMOWFv2 too (MS-NLMP 3.3.2). Capitals are Unicode's; whether Windows' own table agrees for letters as rare as the
// dotless i is for a real one to tell.
func ntlmResponseKey(user, domain, password string) []byte {
	return hmacMD5(ntHash(password), toUTF16(strings.ToUpper(user)+domain))
}

// ntlmClientChallenge is the NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7), what the proof is made of besides the server's challenge.
func ntlmClientChallenge(filetime uint64, nonce [8]byte, info []byte) []byte {
	b := []byte{1, 1, 0, 0, 0, 0, 0, 0}
	b = binary.LittleEndian.AppendUint64(b, filetime)
	b = append(append(b, nonce[:]...), 0, 0, 0, 0)
	return append(append(b, info...), 0, 0, 0, 0)
}

// ntlmProof is NTProofStr, and the key for the exchange of keys (MS-NLMP 3.3.2).
func ntlmProof(responseKey []byte, server [8]byte, clientChallenge []byte) (proof, sessionKey []byte) {
	proof = hmacMD5(responseKey, server[:], clientChallenge)
	return proof, hmacMD5(responseKey, proof)
}

// rc4Once is RC4K, whose key is used for one value only.
func rc4Once(key, value []byte) []byte {
	out := make([]byte, len(value))
	newRC4(key).XORKeyStream(out, value)
	return out
}

func newRC4(key []byte) *rc4.Cipher {
	c, err := rc4.NewCipher(key)
	if err != nil {
		panic(err) // keys here have 16 bytes
	}
	return c
}

// filetime counts 100 ns since 1601 (MS-DTYP 2.3.3).
func filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100) + 116444736000000000 }

func fromFiletime(f uint64) time.Time { return time.Unix(0, int64(f-116444736000000000)*100) }

// ntlmBindings is the MD5 over the channel bindings (MS-NLMP 2.2.2.1), which Kerberos has too; zero for none.
func ntlmBindings(bindings []byte) []byte {
	sum := bindingsHash(bindings)
	return sum[:]
}
