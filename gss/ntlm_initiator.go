package gss

import (
	"context"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"

	photopush "github.com/photopush/photopush"
)

// An NTLMAccount is who signs in.
type NTLMAccount struct {
	User     string // name or .\name for an account of the computer itself; DOMAIN\name or name@domain
	Password photopush.Secret
}

// An NTLM is one account that signs in with its password, by NTLMv2 and nothing older (MS-NLMP). It may be used by many goroutines.
type NTLM struct {
	user, domain string
	workstation  string // ours, which the far end logs
	password     photopush.Secret
}

var (
	errNTLMUser     = errors.New("the account has no name")
	errNTLMLong     = errors.New("the account's name is too long")
	errNoTargetInfo = errors.New("the service names neither itself nor its domain, which NTLMv2 needs")
	errWeakNTLM     = errors.New("the service does not offer NTLM with sealed messages of 128 bits")
	errNoTime       = errors.New("the service sends no time, so that it would not notice altered messages; it is older than Windows Vista, or its message was altered")
	errNTLMNotTaken = errors.New("the service does not take NTLM")
	errListMIC      = errors.New("the list of mechanisms was altered on its way")
)

// maxNTLMName bounds the names of a user and of a domain, in UTF-16 code units; Windows' own limits are 256 (UNLEN) and 255 (DNLEN, DNS).
const maxNTLMName = 256

// NewNTLM checks the name; it reads no password.
func NewNTLM(a NTLMAccount) (*NTLM, error) {
	n := &NTLM{user: strings.TrimPrefix(a.User, `.\`), password: a.Password}
	if domain, user, ok := strings.Cut(n.user, `\`); ok {
		n.domain, n.user = domain, user
	}
	var err error
	switch {
	case n.user == "":
		err = errNTLMUser
	case max(len(toUTF16(n.user)), len(toUTF16(n.domain))) > 2*maxNTLMName:
		err = errNTLMLong
	}
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "use account", On: a.User, Err: err}
	}
	if host, err := os.Hostname(); err == nil { // without one the field stays empty
		host, _, _ = strings.Cut(host, ".")
		n.workstation = strings.ToUpper(host[:min(len(host), 15)])
	}
	return n, nil
}

// Initiate makes our side of a context with a service, whose name is sent along. The password's file is read anew, so that a corrected one
// counts. Nobody is contacted.
func (n *NTLM) Initiate(_ context.Context, t Target) (Context, error) {
	if len(t.SPNs) == 0 {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: "service", Err: errNoSPN}
	}
	password, err := n.password.Reveal()
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: t.SPNs[0], Err: err}
	}
	raw := &ntlmInitiator{NTLM: n, spn: t.SPNs[0], bindings: t.Bindings, secret: password}
	if t.Bare {
		return newContext(raw), nil
	}
	return newContext(&ntlmInSPNEGO{ntlmInitiator: raw, mechs: mechList([]asn1.ObjectIdentifier{oidNTLM})}), nil
}

// An ntlmInitiator is our side of a context. NTLM does not prove who the service is: only that it, or whoever it asked, knows the account.
type ntlmInitiator struct {
	*NTLM
	spn      string
	bindings []byte
	secret   string

	negotiate []byte
	seal      *ntlmSealer
}

// Peer is the service's name as it was asked for.
func (c *ntlmInitiator) Peer() string { return c.spn }

func (c *ntlmInitiator) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "sign in to", On: c.spn, Err: err}
}

// step sends NEGOTIATE, and answers the CHALLENGE with AUTHENTICATE, by which the context is there: the service does not confirm it.
func (c *ntlmInitiator) step(_ context.Context, token []byte) ([]byte, bool, error) {
	if c.negotiate == nil {
		m := newNTLMMessage(ntlmNegotiate, negotiateBytes)
		m.uint32(12, ntlmOffered)
		copy(m.b[32:], ntlmVersionField)
		c.negotiate = m.b
		return slices.Clone(m.b), false, nil
	}
	var nonce [8]byte
	key := make([]byte, 16)
	rand.Read(nonce[:]) // it never fails
	rand.Read(key)
	out, err := c.authenticate(token, nonce, key)
	if err != nil {
		return nil, false, err
	}
	c.secret = ""
	c.seal = newNTLMSealer(key, true)
	return out, true, nil
}

func (c *ntlmInitiator) sealer() sealer { return c.seal }

// authenticate answers a challenge (MS-NLMP 3.1.5.1.2), with nonce as client challenge and key as the exported session key. The MIC covers all
// three messages, so that nobody between the two sides can take anything out of them, such as the wish to seal.
func (c *ntlmInitiator) authenticate(challenge []byte, nonce [8]byte, key []byte) ([]byte, error) {
	server, flags, info, err := readChallenge(challenge)
	if err != nil {
		return nil, c.fail(photopush.Unsupported, err)
	}
	var about uint32
	if f := findAV(info, avFlags); len(f) == 4 {
		about = binary.LittleEndian.Uint32(f)
	}
	info = setAV(info, avFlags, binary.LittleEndian.AppendUint32(nil, about|avFlagMIC))
	info = setAV(info, avChannelBindings, ntlmBindings(c.bindings))
	info = setAV(info, avTargetName, toUTF16(c.spn))

	client := ntlmClientChallenge(binary.LittleEndian.Uint64(findAV(info, avTimestamp)), nonce, marshalAV(info))
	proof, exchange := ntlmProof(ntlmResponseKey(c.user, c.domain, c.secret), server, client)
	m := newNTLMMessage(ntlmAuthenticate, authenticateBytes)
	m.uint32(60, flags&ntlmOffered)
	copy(m.b[64:], ntlmVersionField)
	m.field(28, toUTF16(c.domain))
	m.field(36, toUTF16(c.user))
	m.field(44, toUTF16(c.workstation))
	m.field(12, make([]byte, 24)) // no LMv2 beside a MIC
	m.field(20, append(proof, client...))
	m.field(52, rc4Once(exchange, key))
	copy(m.b[micOffset:], hmacMD5(key, c.negotiate, challenge, m.b))
	return m.b, nil
}

// readChallenge checks a CHALLENGE (MS-NLMP 2.2.1.2): without a flag that we need there is no context. Nor is there without the time, which every
// Windows since Vista sends: a service that sends none is told no MIC, and whoever takes the time out could take out more.
func readChallenge(b []byte) (server [8]byte, flags uint32, info []avPair, err error) {
	if err := ntlmHeader(b, ntlmChallenge, 48); err != nil {
		return server, 0, nil, err
	}
	flags = binary.LittleEndian.Uint32(b[20:])
	if flags&ntlmNeeded != ntlmNeeded {
		return server, 0, nil, errWeakNTLM
	}
	copy(server[:], b[24:])
	field, err := ntlmField(b, 40)
	if err != nil {
		return server, 0, nil, err
	}
	if info, err = parseAV(field); err != nil {
		return server, 0, nil, errNoTargetInfo
	}
	stamp := findAV(info, avTimestamp)
	switch {
	case findAV(info, avComputer) == nil || findAV(info, avDomain) == nil:
		return server, 0, nil, errNoTargetInfo
	case len(stamp) != 8:
		return server, 0, nil, errNoTime
	}
	return server, flags, info, nil
}

// An ntlmInSPNEGO is an ntlmInitiator whose messages travel in SPNEGO (RFC 4178), where both sides sign the list of mechanisms.
type ntlmInSPNEGO struct {
	*ntlmInitiator
	mechs   []byte
	waiting bool // for the service's word that it is done
}

// step is that of the mechanism, and one more for the service's signature.
func (c *ntlmInSPNEGO) step(ctx context.Context, token []byte) ([]byte, bool, error) {
	if c.negotiate == nil {
		out, _, err := c.ntlmInitiator.step(ctx, nil)
		if err != nil {
			return nil, false, err
		}
		return (&negTokenInit{mechTypes: []asn1.ObjectIdentifier{oidNTLM}, mechToken: out}).marshal(), false, nil
	}
	_, resp, err := parseSPNEGO(token)
	switch {
	case err != nil || resp == nil:
		return nil, false, c.fail(photopush.Unsupported, errSPNEGO)
	case resp.state == stateReject && c.waiting:
		return nil, false, c.fail(photopush.Auth, errRejected)
	case resp.state == stateReject:
		return nil, false, c.fail(photopush.Unsupported, errNTLMNotTaken) // it has not seen who we are
	case resp.mech != nil && !resp.mech.Equal(oidNTLM):
		return nil, false, c.fail(photopush.Unsupported, errOtherMechanism)
	case c.waiting:
		err := c.finish(resp)
		return nil, err == nil, err
	}
	out, _, err := c.ntlmInitiator.step(ctx, resp.token)
	if err != nil {
		return nil, false, err
	}
	c.waiting = true
	return (&negTokenResp{state: stateIncomplete, token: out, mic: c.seal.listMIC(c.mechs)}).marshal(), false, nil
}

// finish wants the list of mechanisms signed: it is what keeps others from choosing for us.
func (c *ntlmInSPNEGO) finish(resp *negTokenResp) error {
	if resp.state != stateCompleted || !c.seal.verifyListMIC(c.mechs, resp.mic) {
		return c.fail(photopush.Unsupported, errListMIC)
	}
	return nil
}
