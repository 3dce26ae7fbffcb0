package gss

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// What a token holds (RFC 4121 section 4.1).
const (
	tokenAPReq = 0x0100
	tokenAPRep = 0x0200
	tokenError = 0x0300
)

// The context flags of the authenticator's checksum (RFC 4121 section 4.1.1.1). Delegation is never asked for.
const (
	flagMutual    = 1 << 1
	flagReplay    = 1 << 2
	flagSequence  = 1 << 3
	flagConf      = 1 << 4
	flagInteg     = 1 << 5
	sealedFlags   = flagMutual | flagReplay | flagSequence | flagConf | flagInteg
	channelFlags  = flagMutual | flagSequence // for a context within TLS, which protects the messages
	checksumGSS   = 0x8003
	checksumBytes = 24
	sequenceMask  = 0x3fffffff // so that no peer reads a negative number
)

var (
	errToken      = errors.New("the token is none of Kerberos")
	errShortPart  = errors.New("an encrypted part is too short")
	errPartType   = errors.New("an encrypted part is not of the key's type")
	errNotMutual  = errors.New("the service did not prove its identity")
	errContextEnd = errors.New("the security context takes no further token")
	errNoSigning  = errors.New("messages are not signed without sealing them by this mechanism")
	errNotDone    = errors.New("the security context is not established")
	errWeak       = &photopush.Cause{
		What: "the ticket is encrypted with RC4 or weaker, which is not allowed (allow_rc4)",
		Do:   "let the computer have a key of AES (msDS-SupportedEncryptionTypes; a restart with a new machine password makes one), or set allow_rc4",
	}
)

func withID(id uint16, message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, id), message...)
}

// splitToken takes a token with or without its frame; some services send errors without one.
func splitToken(token []byte) (id uint16, message []byte, err error) {
	if len(token) > 0 && token[0] == 0x60 {
		oid, inner, err := unframeToken(token)
		if err != nil {
			return 0, nil, err
		}
		if !oid.Equal(oidKerberos) && !oid.Equal(oidMSKerberos) {
			return 0, nil, errToken
		}
		token = inner
	}
	switch {
	case len(token) > maxToken || len(token) < 3:
		return 0, nil, errToken
	case token[0] == 0x7e: // a bare KRB-ERROR, application tag 30
		return tokenError, token, nil
	case token[0] == 0x6f: // a bare AP-REP, application tag 15
		return tokenAPRep, token, nil
	}
	return binary.BigEndian.Uint16(token), token[2:], nil
}

// bindingsHash is the MD5 over the channel bindings without addresses (RFC 4121 section 4.1.1.2); zero for none.
func bindingsHash(bindings []byte) (sum [md5.Size]byte) {
	if bindings == nil {
		return sum
	}
	b := make([]byte, 16, 20+len(bindings)) // two address types and two lengths, all zero
	b = binary.LittleEndian.AppendUint32(b, uint32(len(bindings)))
	return md5.Sum(append(b, bindings...))
}

// gssChecksum is the checksum of type 0x8003 (RFC 4121 section 4.1.1).
func gssChecksum(bindings []byte, flags uint32) types.Checksum {
	sum := bindingsHash(bindings)
	b := binary.LittleEndian.AppendUint32(nil, md5.Size)
	b = binary.LittleEndian.AppendUint32(append(b, sum[:]...), flags)
	return types.Checksum{CksumType: checksumGSS, Checksum: b}
}

// newSubkey makes a key of the session key's type, and newSequence a first sequence number.
func newSubkey(session types.EncryptionKey) types.EncryptionKey {
	b := make([]byte, keySize(session.KeyType))
	rand.Read(b) // it never fails
	return types.EncryptionKey{KeyType: session.KeyType, KeyValue: b}
}

func newSequence() uint64 {
	var b [4]byte
	rand.Read(b[:])
	return uint64(binary.BigEndian.Uint32(b[:]) & sequenceMask)
}

// decryptPart checks what gokrb5 does not before it slices.
func decryptPart(part types.EncryptedData, key types.EncryptionKey, usage uint32) ([]byte, error) {
	if part.EType != key.KeyType {
		return nil, errPartType
	}
	if len(part.Cipher) < 64 || len(part.Cipher) > maxToken { // the smallest part that is decrypted here has over 40 bytes in it
		return nil, errShortPart
	}
	return crypto.DecryptMessage(part.Cipher, key, usage)
}

// strong tells whether a key's type is AES.
func strong(etype int32) bool {
	switch etype {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96,
		etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
		return true
	}
	return false
}

// marshalAPRep makes the acceptor's answer (RFC 4120 section 5.5.2).
func marshalAPRep(part messages.EncAPRepPart, session types.EncryptionKey) ([]byte, error) {
	b, err := asn1.Marshal(part)
	if err != nil {
		return nil, err
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	b, err = asn1.Marshal(messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		return nil, err
	}
	return asn1tools.AddASNAppTag(b, asnAppTag.APREP), nil
}

// readAPRep decrypts the acceptor's answer.
func readAPRep(b []byte, session types.EncryptionKey) (part messages.EncAPRepPart, err error) {
	var rep messages.APRep
	if err := rep.Unmarshal(b); err != nil {
		return part, errToken
	}
	plain, err := decryptPart(rep.EncPart, session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return part, err
	}
	return part, part.Unmarshal(plain)
}

// The error codes that mean something of their own here (RFC 4120 section 7.5.9).
const (
	krbBadIntegrity = 31
	krbExpired      = 32
	krbNotYet       = 33
	krbRepeat       = 34
	krbNotUs        = 35
	krbSkew         = 37
	krbModified     = 41
	krbBadKVNO      = 44
	krbNoKey        = 45
	krbGeneric      = 60
)

// A peerError is a KRB-ERROR of a service.
type peerError struct {
	spn  string
	code int32
	text string
}

func (e *peerError) Error() string { return fmt.Sprintf("Kerberos error %d: %s", e.code, e.text) }

// refusal is what a service's KRB-ERROR means.
func refusal(spn string, code int32) error {
	reason, text := photopush.Unsupported, "the service refused the ticket"
	switch code {
	case krbModified, krbBadIntegrity, krbNotUs, krbBadKVNO, krbNoKey:
		reason, text = photopush.WrongHost, "the ticket was made for a key that this host does not have (KRB_AP_ERR_MODIFIED or alike): "+
			"another machine has the address, or the name belongs to another account"
	case krbSkew, krbNotYet, krbExpired:
		reason, text = photopush.ClockSkew, "its clock and ours differ by more than five minutes (KRB_AP_ERR_SKEW)"
	case krbRepeat:
		text = "the service says that it saw this authenticator before (KRB_AP_ERR_REPEAT)"
	}
	return &photopush.Error{Reason: reason, Op: "sign in to", On: spn, Err: &peerError{spn, code, text}}
}

// readError gives a KRB-ERROR's code.
func readError(b []byte) (code int32, err error) {
	var e messages.KRBError
	if err := e.Unmarshal(b); err != nil {
		return 0, errToken
	}
	return e.ErrorCode, nil
}

// sameTime compares times as they travel: to the second, with microseconds apart.
func sameTime(a time.Time, ausec int, b time.Time, busec int) bool {
	return a.Unix() == b.Unix() && ausec == busec
}
