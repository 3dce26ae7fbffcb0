package gss

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
)

// NTLMAcceptorOptions say who accepts, and whom.
type NTLMAcceptorOptions struct {
	Computer  string // NetBIOS name, PC1
	Host      string // DNS name, pc1.corp.example
	Domain    string // NetBIOS name of its domain; empty for a computer that is in none
	DNSDomain string

	// Password knows an account by its names as the client sent them: the domain is empty, or the computer's name, for a local account. account
	// is what Peer says of it.
	Password func(domain, user string) (password, account string, ok bool)

	RequireBindings bool             // refuse clients that do not bind to the TLS channel; a wrong binding is refused always
	Now             func() time.Time // nil for the wall clock
}

// An NTLMAcceptor is a computer that accepts NTLMv2, and seals with 128 bits or not at all. It may be used by many goroutines.
type NTLMAcceptor struct{ options NTLMAcceptorOptions }

var errNoPasswords = errors.New("NTLMAcceptorOptions.Password is nil")

// NewNTLMAcceptor checks the options.
func NewNTLMAcceptor(o NTLMAcceptorOptions) (*NTLMAcceptor, error) {
	if o.Password == nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "accept for", On: o.Host, Err: errNoPasswords}
	}
	if o.Domain == "" {
		o.Domain = o.Computer
	}
	if o.DNSDomain == "" {
		o.DNSDomain = o.Host
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &NTLMAcceptor{o}, nil
}

// Accept begins the service's side of one context, on a connection with that channel binding; nil without TLS.
func (a *NTLMAcceptor) Accept(bindings []byte) Context { return newContext(a.side(bindings)) }

func (a *NTLMAcceptor) side(bindings []byte) side {
	return &ntlmAcceptor{NTLMAcceptor: a, bindings: bindings}
}

// A LogonError is an account whose logon is refused.
type LogonError struct {
	Account string // as the client named it, or as it is known here
	Err     error
}

func (e *LogonError) Error() string { return fmt.Sprintf("logon of %q: %v", e.Account, e.Err) }
func (e *LogonError) Unwrap() error { return e.Err }

type ntlmAcceptor struct {
	*NTLMAcceptor
	bindings []byte

	negotiate, challenge []byte
	server               [8]byte
	inSPNEGO             bool
	second               bool   // NTLM was not the client's first choice, so that it must sign its list
	mechs                []byte // the client's list
	peer                 string
	seal                 *ntlmSealer
}

var (
	errNTLMFlags   = errors.New("the client does not take NTLM with sealed messages of 128 bits")
	errNTLMOld     = errors.New("the response is not NTLMv2")
	errNTLMNobody  = errors.New("nobody is named")
	errNTLMUnknown = errors.New("there is no such account")
	errNTLMProof   = errors.New("the password is wrong")
	errNTLMMIC     = errors.New("the messages were altered on their way")
	errNTLMTime    = errors.New("the response is too old, or from the future")
)

// maxNTLMLife is how old a response may be (MS-NLMP 3.1.1.1, MaxLifetime).
const maxNTLMLife = 36 * time.Hour

// Peer is the account as NTLMAcceptorOptions.Password named it.
func (c *ntlmAcceptor) Peer() string { return c.peer }

func (c *ntlmAcceptor) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "accept", On: "NTLM client", Err: err}
}

// step takes NEGOTIATE and answers with CHALLENGE, and takes AUTHENTICATE, to which NTLM has no answer and SPNEGO has one.
func (c *ntlmAcceptor) step(_ context.Context, token []byte) ([]byte, bool, error) {
	if c.challenge == nil {
		return c.begin(token)
	}
	message, mic, err := c.unwrap(token)
	if err != nil {
		return nil, false, c.fail(photopush.Unsupported, err)
	}
	key, account, err := c.accept(message)
	if err != nil {
		return c.refuse(err)
	}
	c.peer, c.seal = account, newNTLMSealer(key, false)
	if !c.inSPNEGO {
		return nil, true, nil
	}
	resp := &negTokenResp{state: stateCompleted}
	switch {
	case mic == nil && c.second, mic != nil && !c.seal.verifyListMIC(c.mechs, mic):
		return c.refuse(errListMIC)
	case mic != nil:
		resp.mic = c.seal.listMIC(c.mechs)
	}
	return resp.marshal(), true, nil
}

func (c *ntlmAcceptor) sealer() sealer { return c.seal }

// refuse says nothing of why, but in SPNEGO that it does.
func (c *ntlmAcceptor) refuse(err error) ([]byte, bool, error) {
	reason := photopush.Unsupported
	if _, ok := errors.AsType[*LogonError](err); ok {
		reason = photopush.Auth
	}
	if errors.Is(err, errBinding) {
		reason = photopush.WrongHost
	}
	if errors.Is(err, errNoBinding) {
		reason = photopush.Denied
	}
	var out []byte
	if c.inSPNEGO {
		out = (&negTokenResp{state: stateReject}).marshal()
	}
	return out, false, c.fail(reason, err)
}

// unwrap takes the message and the signed list of mechanisms out of SPNEGO.
func (c *ntlmAcceptor) unwrap(token []byte) (message, mic []byte, err error) {
	if !c.inSPNEGO {
		return token, nil, nil
	}
	_, resp, err := parseSPNEGO(token)
	if err != nil || resp == nil {
		return nil, nil, errSPNEGO
	}
	return resp.token, resp.mic, nil
}

// begin answers a NEGOTIATE (MS-NLMP 3.2.5.1.1).
func (c *ntlmAcceptor) begin(token []byte) ([]byte, bool, error) {
	message, err := c.first(token)
	if err != nil {
		return nil, false, c.fail(photopush.Unsupported, err)
	}
	if message == nil {
		c.second = true
		return (&negTokenResp{state: stateRequestMIC, mech: oidNTLM}).marshal(), false, nil
	}
	if err := ntlmHeader(message, ntlmNegotiate, 32); err != nil {
		return nil, false, c.fail(photopush.Unsupported, err)
	}
	flags := binary.LittleEndian.Uint32(message[12:])
	if flags&ntlmAsked != ntlmAsked || flags&(ntlmUnicode|ntlmOEM) == 0 {
		return nil, false, c.fail(photopush.Unsupported, errNTLMFlags)
	}
	c.negotiate = slices.Clone(message)
	rand.Read(c.server[:]) // it never fails
	c.challenge = c.makeChallenge(flags)
	out := slices.Clone(c.challenge)
	if c.inSPNEGO {
		out = (&negTokenResp{state: stateIncomplete, mech: oidNTLM, token: out}).marshal()
	}
	return out, false, nil
}

// first takes the NEGOTIATE out of SPNEGO; nil when the client's first token was for another mechanism, so that it has to send another.
func (c *ntlmAcceptor) first(token []byte) ([]byte, error) {
	if c.inSPNEGO {
		message, _, err := c.unwrap(token)
		return message, err
	}
	if isNTLM(token) {
		return token, nil
	}
	init, _, err := parseSPNEGO(token)
	if err != nil || init == nil || !slices.ContainsFunc(init.mechTypes, oidNTLM.Equal) {
		return nil, errSPNEGO
	}
	c.inSPNEGO, c.mechs = true, mechList(init.mechTypes)
	if !init.mechTypes[0].Equal(oidNTLM) {
		return nil, nil
	}
	return init.mechToken, nil
}

// ntlmAsked is what a NEGOTIATE must ask for. ntlm-auth's, which Windows takes, has neither NTLM nor Unicode among its flags: without Unicode the
// names are in the OEM character set (MS-NLMP 2.2.2.5, A and B).
const ntlmAsked = ntlmNeeded &^ (ntlmUnicode | ntlmNTLM)

func (c *ntlmAcceptor) makeChallenge(flags uint32) []byte {
	o := &c.options
	agreed, encode := flags&ntlmOffered|ntlmNTLM|ntlmTargetInfo|ntlmVersion, toUTF16
	if flags&ntlmUnicode == 0 {
		agreed, encode = agreed|ntlmOEM, func(text string) []byte { return []byte(text) }
	}
	kind, target := uint32(ntlmTargetDomain), o.Domain
	if strings.EqualFold(o.Domain, o.Computer) {
		kind, target = ntlmTargetServer, o.Computer
	}
	info := []avPair{
		{avDomain, toUTF16(o.Domain)}, {avComputer, toUTF16(o.Computer)}, {avDNSDomain, toUTF16(o.DNSDomain)}, {avDNSComputer, toUTF16(o.Host)},
		{avTimestamp, binary.LittleEndian.AppendUint64(nil, filetime(o.Now()))},
	}
	m := newNTLMMessage(ntlmChallenge, challengeBytes)
	m.uint32(20, agreed|kind)
	copy(m.b[24:], c.server[:])
	copy(m.b[48:], ntlmVersionField)
	m.field(12, encode(target))
	m.field(40, marshalAV(info))
	return m.b
}

// accept verifies an AUTHENTICATE (MS-NLMP 3.2.5.1.2) and returns the exported session key.
func (c *ntlmAcceptor) accept(message []byte) (key []byte, account string, err error) {
	m, err := readAuthenticate(message)
	if err != nil {
		return nil, "", err
	}
	named := m.user
	if m.domain != "" {
		named = m.domain + `\` + m.user
	}
	password, account, ok := c.options.Password(m.domain, m.user)
	if !ok {
		return nil, "", &LogonError{named, errNTLMUnknown}
	}
	proof, exchange := ntlmProof(ntlmResponseKey(m.user, m.domain, password), c.server, m.client)
	if !hmac.Equal(proof, m.proof) {
		return nil, "", &LogonError{account, errNTLMProof}
	}
	key = rc4Once(exchange, m.key)
	if m.mic != nil {
		clear(message[micOffset : micOffset+16])
		if !hmac.Equal(m.mic, hmacMD5(key, c.negotiate, c.challenge, message)) {
			return nil, "", errNTLMMIC
		}
	}
	if age := c.options.Now().Sub(m.at).Abs(); age > maxNTLMLife {
		return nil, "", &LogonError{account, errNTLMTime}
	}
	return key, account, c.bound(m.info)
}

// bound checks the channel binding, which the proof covers.
func (c *ntlmAcceptor) bound(info []avPair) error {
	if c.bindings == nil {
		return nil
	}
	got := findAV(info, avChannelBindings)
	switch {
	case hmac.Equal(got, ntlmBindings(c.bindings)):
		return nil
	case len(got) > 0 && !hmac.Equal(got, ntlmBindings(nil)):
		return errBinding
	case c.options.RequireBindings:
		return errNoBinding
	}
	return nil
}

// An ntlmResponse is an AUTHENTICATE, as far as it can be read without a password.
type ntlmResponse struct {
	domain, user  string
	proof, client []byte // NTProofStr, and what it was made of
	at            time.Time
	info          []avPair
	key           []byte // encrypted
	mic           []byte // nil when there is none
}

func readAuthenticate(b []byte) (*ntlmResponse, error) {
	if err := ntlmHeader(b, ntlmAuthenticate, 64); err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint32(b[60:])
	if flags&ntlmAsked != ntlmAsked {
		return nil, errNTLMFlags
	}
	decode := fromUTF16
	if flags&ntlmUnicode == 0 {
		decode = fromOEM
	}
	var fields [4][]byte
	for i, at := range []int{20, 28, 36, 52} {
		var err error
		if fields[i], err = ntlmField(b, at); err != nil {
			return nil, err
		}
	}
	r := new(ntlmResponse)
	var err1, err2 error
	r.domain, err1 = decode(fields[1])
	r.user, err2 = decode(fields[2])
	response := fields[0]
	switch {
	case err1 != nil || err2 != nil || len(fields[3]) != 16:
		return nil, errNTLM
	case r.user == "" || flags&ntlmAnonymous != 0:
		return nil, errNTLMNobody
	case len(response) < 16+28+4 || response[16] != 1 || response[17] != 1:
		return nil, errNTLMOld
	}
	r.proof, r.client, r.key = response[:16], response[16:], fields[3]
	r.at = fromFiletime(binary.LittleEndian.Uint64(r.client[8:]))
	var err error
	if r.info, err = parseAV(r.client[28:]); err != nil {
		return nil, err
	}
	if f := findAV(r.info, avFlags); len(f) == 4 && binary.LittleEndian.Uint32(f)&avFlagMIC != 0 {
		if len(b) < authenticateBytes {
			return nil, errNTLM
		}
		r.mic = slices.Clone(b[micOffset : micOffset+16])
	}
	return r, nil
}

// wantsNTLM tells whether a client's first token asks for NTLM: bare, or as its first choice in SPNEGO, or as the only one there is.
func wantsNTLM(token []byte, kerberos bool) bool {
	if isNTLM(token) {
		return true
	}
	init, _, err := parseSPNEGO(token)
	if err != nil || init == nil || len(init.mechTypes) == 0 {
		return false
	}
	isKerberos := func(m asn1.ObjectIdentifier) bool { return m.Equal(oidKerberos) || m.Equal(oidMSKerberos) }
	for _, m := range init.mechTypes {
		if m.Equal(oidNTLM) || kerberos && isKerberos(m) {
			return m.Equal(oidNTLM)
		}
	}
	return false
}
