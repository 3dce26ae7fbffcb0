package gss

import (
	"context"
	"encoding/asn1"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// A credential is a service ticket with its session key.
type credential struct {
	spn    string
	ticket messages.Ticket
	key    types.EncryptionKey
	client types.PrincipalName
	realm  string // of the client
	end    time.Time
}

// An initiator is our side of a Kerberos context (RFC 4121).
type initiator struct {
	credential
	bindings []byte
	bare     bool
	unsealed bool
	modified func() // called when the service cannot read the ticket

	sent bool
	auth types.Authenticator
	seal *kerberosSeal
}

// Peer is the service's principal name.
func (c *initiator) Peer() string { return c.spn }

func (c *initiator) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "sign in to", On: c.spn, Err: err}
}

// step sends the AP-REQ, then checks the AP-REP: without mutual authentication there is no context.
func (c *initiator) step(_ context.Context, token []byte) ([]byte, bool, error) {
	switch {
	case !c.sent:
		c.sent = true
		out, err := c.request()
		if err != nil {
			return nil, false, c.fail(photopush.Internal, err)
		}
		return out, false, nil
	case len(token) == 0:
		return nil, false, c.fail(photopush.Unsupported, errNotMutual)
	}
	inner, err := c.unwrap(token)
	if err != nil {
		return nil, false, err
	}
	err = c.answer(inner)
	return nil, err == nil, err
}

func (c *initiator) request() ([]byte, error) {
	now, protection := time.Now().UTC(), uint32(sealedFlags)
	if c.unsealed {
		protection = channelFlags
	}
	c.auth = types.Authenticator{
		AVNO: iana.PVNO, CRealm: c.realm, CName: c.client, Cksum: gssChecksum(c.bindings, protection), CTime: now.Truncate(time.Second),
		Cusec: now.Nanosecond() / 1000, SubKey: newSubkey(c.key), SeqNumber: int64(newSequence()),
	}
	req, err := messages.NewAPReq(c.ticket, c.key, c.auth)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	token := frameToken(oidKerberos, withID(tokenAPReq, b))
	if c.bare {
		return token, nil
	}
	return (&negTokenInit{mechTypes: []asn1.ObjectIdentifier{oidMSKerberos, oidKerberos}, mechToken: token}).marshal(), nil
}

// unwrap takes the mechanism's token out of SPNEGO. A rejection may carry one that says why.
func (c *initiator) unwrap(token []byte) ([]byte, error) {
	if c.bare {
		return token, nil
	}
	_, resp, err := parseSPNEGO(token)
	switch {
	case err != nil || resp == nil:
		return nil, c.fail(photopush.Unsupported, errSPNEGO)
	case len(resp.token) == 0 && resp.state == stateReject:
		return nil, c.fail(photopush.Denied, errRejected)
	case len(resp.token) == 0:
		return nil, c.fail(photopush.Unsupported, errNotMutual)
	case resp.mech != nil && !resp.mech.Equal(oidKerberos) && !resp.mech.Equal(oidMSKerberos):
		return nil, c.fail(photopush.Unsupported, errOtherMechanism)
	}
	return resp.token, nil
}

func (c *initiator) answer(token []byte) error {
	id, b, err := splitToken(token)
	if err != nil {
		return c.fail(photopush.Unsupported, err)
	}
	switch id {
	case tokenError:
		code, err := readError(b)
		if err != nil {
			return c.fail(photopush.Unsupported, err)
		}
		if c.modified != nil {
			c.modified()
		}
		return refusal(c.spn, code)
	case tokenAPRep:
		part, err := readAPRep(b, c.key)
		if err != nil || !sameTime(part.CTime, part.Cusec, c.auth.CTime, c.auth.Cusec) {
			return c.fail(photopush.WrongHost, errNotMutual)
		}
		return c.establish(part)
	}
	return c.fail(photopush.Unsupported, errToken)
}

// establish takes the acceptor's subkey when it sent one, else ours (RFC 4121 section 2).
func (c *initiator) establish(part messages.EncAPRepPart) error {
	key, theirs := c.auth.SubKey, false
	if len(part.Subkey.KeyValue) > 0 {
		key, theirs = part.Subkey, true
	}
	seal, err := newKerberosSeal(key, true, theirs, uint64(c.auth.SeqNumber), uint64(uint32(part.SequenceNumber)))
	if err != nil {
		return err
	}
	c.seal = seal
	return nil
}

func (c *initiator) sealer() sealer { return c.seal }
