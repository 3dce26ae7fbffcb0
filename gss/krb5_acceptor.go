package gss

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// AcceptorOptions say how strict a service is.
type AcceptorOptions struct {
	Now             func() time.Time // nil for the wall clock
	RequireBindings bool             // refuse clients that do not bind to the TLS channel; a wrong binding is refused always
	AllowRC4        bool             // else tickets and keys must be AES
}

// maxSkew is how far clocks may differ (RFC 4120 section 3.2.3), and how long an authenticator is remembered.
const maxSkew = 5 * time.Minute

// A KerberosAcceptor is a service with its keys. It may be used by many goroutines.
type KerberosAcceptor struct {
	keys    *keytab.Keytab
	options AcceptorOptions

	mu    sync.Mutex
	seen  map[string]time.Time // authenticators, by client and time
	swept time.Time            // when those too old were dropped
}

// NewKerberosAcceptor takes the bytes of a keytab file.
func NewKerberosAcceptor(keys []byte, o AcceptorOptions) (*KerberosAcceptor, error) {
	kt := keytab.New()
	if err := kt.Unmarshal(keys); err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "read", On: "keytab", Err: err}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &KerberosAcceptor{keys: kt, options: o, seen: map[string]time.Time{}}, nil
}

// Accept begins the service's side of one context, on a connection with that channel binding; nil without TLS.
func (a *KerberosAcceptor) Accept(bindings []byte) Context { return newContext(a.side(bindings)) }

func (a *KerberosAcceptor) side(bindings []byte) side {
	return &acceptor{KerberosAcceptor: a, bindings: bindings}
}

type acceptor struct {
	*KerberosAcceptor
	bindings []byte
	inSPNEGO bool
	peer     string
	seal     *kerberosSeal
}

// A protocolError is what the acceptor tells its peer.
type protocolError struct {
	code   int32
	reason photopush.Reason
	err    error
}

func (e *protocolError) Error() string { return e.err.Error() }
func (e *protocolError) Unwrap() error { return e.err }

var (
	errTicketKey  = errors.New("no key of the keytab decrypts the ticket")
	errChecksum   = errors.New("the authenticator has no checksum of a GSS context")
	errBinding    = errors.New("the client is bound to another TLS channel")
	errNoBinding  = errors.New("the client is not bound to the TLS channel")
	errOtherName  = errors.New("ticket and authenticator name different clients")
	errReplay     = errors.New("the authenticator was seen before")
	errSkew       = errors.New("the client's clock differs too much")
	errTicketTime = errors.New("the ticket is not valid now")
	errNoMutual   = errors.New("the client wants no mutual authentication")
)

// Peer is the client, as name@REALM.
func (c *acceptor) Peer() string { return c.peer }

// step takes an AP-REQ, in SPNEGO or bare, and answers in kind. With an error comes a token with the KRB-ERROR.
func (c *acceptor) step(_ context.Context, token []byte) ([]byte, bool, error) {
	inner, err := c.unwrap(token)
	if err != nil {
		return nil, false, c.fail(photopush.Unsupported, err)
	}
	rep, err := c.accept(inner)
	if err == nil {
		return c.wrap(withID(tokenAPRep, rep), stateCompleted), true, nil
	}
	refused := &protocolError{krbGeneric, photopush.Unsupported, err}
	errors.As(err, &refused)
	e := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"HTTP"}}, "REALM", refused.code, "")
	e.STime = c.options.Now().UTC()
	out, merr := e.Marshal()
	if merr != nil {
		return nil, false, c.fail(photopush.Internal, merr)
	}
	return c.wrap(withID(tokenError, out), stateReject), false, c.fail(refused.reason, err)
}

func (c *acceptor) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "accept", On: "Kerberos client", Err: err}
}

func (c *acceptor) unwrap(token []byte) ([]byte, error) {
	oid, _, err := unframeToken(token)
	if err != nil || !oid.Equal(oidSPNEGO) {
		return token, nil // splitToken says what is wrong with it
	}
	init, _, err := parseSPNEGO(token)
	if err != nil || init == nil {
		return nil, errSPNEGO
	}
	c.inSPNEGO = true
	return init.mechToken, nil
}

func (c *acceptor) wrap(inner []byte, state int) []byte {
	token := frameToken(oidKerberos, inner)
	if c.inSPNEGO {
		return (&negTokenResp{state: state, mech: oidMSKerberos, token: token}).marshal()
	}
	return token
}

// accept verifies an AP-REQ and makes the AP-REP (RFC 4120 section 3.2.3 and 3.2.4).
func (c *acceptor) accept(token []byte) ([]byte, error) {
	id, b, err := splitToken(token)
	if err != nil {
		return nil, err
	}
	var req messages.APReq
	if id != tokenAPReq || req.Unmarshal(b) != nil || len(req.Ticket.SName.NameString) == 0 {
		return nil, errToken
	}
	ticket, err := c.open(&req.Ticket)
	if err != nil {
		return nil, err
	}
	auth, err := c.authenticator(&req, ticket)
	if err != nil {
		return nil, err
	}
	if err := c.bound(auth.Cksum); err != nil {
		return nil, err
	}
	part := messages.EncAPRepPart{CTime: auth.CTime, Cusec: auth.Cusec, Subkey: newSubkey(ticket.Key), SequenceNumber: int64(newSequence())}
	rep, err := marshalAPRep(part, ticket.Key)
	if err != nil {
		return nil, err
	}
	c.seal, err = newKerberosSeal(part.Subkey, false, true, uint64(part.SequenceNumber), uint64(uint32(auth.SeqNumber)))
	c.peer = ticket.CName.PrincipalNameString() + "@" + ticket.CRealm
	return rep, err
}

func (c *acceptor) open(t *messages.Ticket) (*messages.EncTicketPart, error) {
	modified := &protocolError{krbModified, photopush.WrongHost, errTicketKey}
	if !c.options.AllowRC4 && !strong(t.EncPart.EType) {
		return nil, errWeak
	}
	key, _, err := c.keys.GetEncryptionKey(t.SName, t.Realm, t.EncPart.KVNO, t.EncPart.EType)
	if err != nil {
		return nil, modified
	}
	plain, err := decryptPart(t.EncPart, key, keyusage.KDC_REP_TICKET)
	if err != nil {
		return nil, modified
	}
	part := new(messages.EncTicketPart)
	if err := part.Unmarshal(plain); err != nil {
		return nil, errToken
	}
	now, start := c.options.Now(), part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	switch {
	case now.Add(maxSkew).Before(start):
		return nil, &protocolError{krbNotYet, photopush.ClockSkew, errTicketTime}
	case now.Add(-maxSkew).After(part.EndTime):
		return nil, &protocolError{krbExpired, photopush.ClockSkew, errTicketTime}
	}
	return part, nil
}

func (c *acceptor) authenticator(req *messages.APReq, ticket *messages.EncTicketPart) (*types.Authenticator, error) {
	plain, err := decryptPart(req.EncryptedAuthenticator, ticket.Key, keyusage.AP_REQ_AUTHENTICATOR)
	if err != nil {
		return nil, &protocolError{krbBadIntegrity, photopush.Auth, err}
	}
	auth := new(types.Authenticator)
	if err := auth.Unmarshal(plain); err != nil {
		return nil, errToken
	}
	now := c.options.Now()
	switch at := auth.CTime.Add(time.Duration(auth.Cusec) * time.Microsecond); {
	case !auth.CName.Equal(ticket.CName) || auth.CRealm != ticket.CRealm:
		return nil, errOtherName
	case at.Before(now.Add(-maxSkew)) || at.After(now.Add(maxSkew)):
		return nil, &protocolError{krbSkew, photopush.ClockSkew, errSkew}
	case !c.first(fmt.Sprintf("%s@%s %s", auth.CName.PrincipalNameString(), auth.CRealm, at), now):
		return nil, &protocolError{krbRepeat, photopush.Unsupported, errReplay}
	}
	return auth, nil
}

// first remembers an authenticator for as long as its time would be accepted.
func (a *KerberosAcceptor) first(key string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.swept) > time.Minute {
		maps.DeleteFunc(a.seen, func(_ string, at time.Time) bool { return now.Sub(at) > 2*maxSkew })
		a.swept = now
	}
	if _, again := a.seen[key]; again {
		return false
	}
	a.seen[key] = now
	return true
}

// bound checks the checksum's flags and channel binding.
func (c *acceptor) bound(sum types.Checksum) error {
	if sum.CksumType != checksumGSS || len(sum.Checksum) < checksumBytes || binary.LittleEndian.Uint32(sum.Checksum) != 16 {
		return errChecksum
	}
	if binary.LittleEndian.Uint32(sum.Checksum[20:])&flagMutual == 0 {
		return errNoMutual
	}
	var none [16]byte
	switch want := bindingsHash(c.bindings); {
	case c.bindings == nil || hmac.Equal(sum.Checksum[4:20], want[:]):
		return nil
	case !hmac.Equal(sum.Checksum[4:20], none[:]):
		return &protocolError{krbGeneric, photopush.WrongHost, errBinding}
	case c.options.RequireBindings:
		return &protocolError{krbGeneric, photopush.Denied, errNoBinding}
	}
	return nil
}

func (c *acceptor) sealer() sealer { return c.seal }
