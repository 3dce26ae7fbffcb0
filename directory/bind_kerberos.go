package directory

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// A kerberosBinder signs in with a ticket, by the SASL mechanism GSSAPI (RFC 4752). Within TLS it is bound to the controller's certificate
// (RFC 5929), and messages are not protected a second time, which Active Directory refuses; without TLS they are sealed from then on
// (MS-ADTS 5.1.1.1.2). GSSAPI, not GSS-SPNEGO: there is one mechanism to choose from, and each side tells how much it takes at once.
type kerberosBinder struct {
	user    string
	domain  string
	tickets *gss.Kerberos
}

func (b *kerberosBinder) prepare(*tls.Config) error { return nil }

// The security layers of RFC 4752 section 3.3, bits of an offer.
const (
	layerNone = 1
	layerSeal = 4
)

// maxSealed is the longest sealed buffer that is accepted, in bytes, and what the controller is told.
const maxSealed = 128 << 10

func (b *kerberosBinder) bind(ctx context.Context, ch *channel) (net.Conn, error) {
	target := gss.Target{SPNs: principals(ch.controller, b.domain), Bare: true}
	if ch.tls != nil {
		target.Unsealed, target.Bindings = true, gss.ServerEndPoint(ch.tls.ConnectionState().PeerCertificates[0])
	}
	g, err := b.tickets.Initiate(ctx, target)
	if err != nil {
		return nil, b.ticketError(ctx, err)
	}
	offer, err := b.prove(ctx, ch, g)
	if err != nil {
		return nil, err
	}
	return b.agree(ctx, ch, g, offer)
}

// principals are the names of a controller's LDAP service. Only domain controllers can have the one with the domain; a computer may give itself the
// other one, so that this is not enough where it was DNS that named the host (MS-ADTS 3.1.1.5.3.1.1.4).
func principals(c *controller, domain string) []string {
	host := "ldap/" + strings.ToLower(c.host)
	own := host + "/" + strings.ToLower(domain)
	if c.found {
		return []string{own}
	}
	return []string{own, host}
}

// ticketError is final when the account was rejected, or when there is nothing to prove it with; else another controller may do: a ticket for it
// may be there already, or its name may be right. A KDC that is away is no rejection.
func (b *kerberosBinder) ticketError(ctx context.Context, err error) error {
	_, nothing := errors.AsType[*photopush.SecretError](err)
	switch reason := photopush.ReasonOf(err); {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case reason == photopush.Auth, nothing:
		return err
	default:
		return &lostError{reason, err}
	}
}

// prove makes the security context, and returns the controller's offer of security layers.
func (b *kerberosBinder) prove(ctx context.Context, ch *channel, g gss.Context) ([]byte, error) {
	token, _, err := g.Step(ctx, nil)
	if err != nil {
		return nil, b.ticketError(ctx, err)
	}
	reply, err := b.step(ctx, ch, g, token)
	if err != nil {
		return nil, err
	}
	rest, done, err := g.Step(ctx, reply)
	if err != nil {
		return nil, b.ticketError(ctx, err)
	}
	if !done || rest != nil {
		return nil, &lostError{photopush.Unsupported, errors.New("the controller wants more of Kerberos than two messages")}
	}
	signed, err := b.step(ctx, ch, g, nil)
	if err != nil {
		return nil, err
	}
	offer, err := g.Verify(signed)
	if err != nil {
		return nil, b.ticketError(ctx, err)
	}
	return offer, nil
}

// step sends a token, and returns the controller's.
func (b *kerberosBinder) step(ctx context.Context, ch *channel, g gss.Context, token []byte) ([]byte, error) {
	a, err := ch.ask(ctx, saslRequest("GSSAPI", token))
	switch {
	case err != nil:
		return nil, ch.lost(ctx, err)
	case a.code == ldap.LDAPResultSaslBindInProgress && len(a.creds) > 0:
		return a.creds, nil
	case a.code == ldap.LDAPResultSaslBindInProgress, a.code == ldap.LDAPResultSuccess:
		return nil, &lostError{photopush.Unsupported, errors.New("the controller leaves a step of SASL GSSAPI out")}
	}
	return nil, b.refused(ctx, ch, g, a)
}

// refused forgets the ticket, for the controller's key may have changed, and says why the controller does not take it. What it says in Kerberos'
// own words counts more.
func (b *kerberosBinder) refused(ctx context.Context, ch *channel, g gss.Context, a *answer) error {
	b.tickets.Forget(g.Peer())
	if len(a.creds) > 0 {
		if _, _, err := g.Step(ctx, a.creds); photopush.ReasonOf(err) == photopush.ClockSkew || photopush.ReasonOf(err) == photopush.WrongHost {
			return &lostError{photopush.ReasonOf(err), err}
		}
	}
	return saslError(a, b.user, ch.controller.url, ch.tls != nil)
}

// agree chooses a security layer, and returns the connection with it.
func (b *kerberosBinder) agree(ctx context.Context, ch *channel, g gss.Context, offer []byte) (net.Conn, error) {
	layer := layerSeal
	if ch.tls != nil {
		layer = layerNone
	}
	most, err := readOffer(offer, layer)
	if err != nil {
		return nil, &lostError{photopush.Unsupported, err}
	}
	choice := binary.BigEndian.AppendUint32(nil, uint32(layer)<<24)
	if layer == layerSeal {
		choice = binary.BigEndian.AppendUint32(nil, uint32(layer)<<24|maxSealed)
	}
	token, err := g.Sign(nil, choice) // no name behind it: we are who the ticket says
	if err != nil {
		return nil, err
	}
	a, err := ch.ask(ctx, saslRequest("GSSAPI", token))
	switch {
	case err != nil:
		return nil, ch.lost(ctx, err)
	case a.code != ldap.LDAPResultSuccess:
		return nil, b.refused(ctx, ch, g, a)
	case layer == layerNone:
		return ch.Conn, nil
	}
	return newSealedConn(ch.raw, g, most), nil
}

// readOffer reads what a server says in the last step but one: a bit for each security layer that it has, and the longest buffer that it takes,
// in three bytes (RFC 4752 section 3.1). The layer must be among them; most is the longest message that fits into a buffer when it is sealed.
func readOffer(offer []byte, layer int) (most int, err error) {
	if len(offer) != 4 {
		return 0, errors.New("the controller's offer of security layers is malformed")
	}
	if int(offer[0])&layer == 0 {
		if layer == layerNone {
			return 0, errors.New("the controller wants Kerberos to protect messages within TLS too, and refuses that itself: name it with encryption sealed and ldap://")
		}
		return 0, errors.New("the controller does not encrypt with Kerberos: use ldaps or starttls")
	}
	most = int(binary.BigEndian.Uint32(offer)&0xffffff) - gss.MaxOverhead
	if layer == layerSeal && most < 1 {
		return 0, fmt.Errorf("the controller takes sealed messages of at most %d bytes, which is none", most+gss.MaxOverhead)
	}
	return most, nil
}

// saslRequest is a step of a SASL bind (RFC 4511 4.2). Empty credentials are sent as such.
func saslRequest(mechanism string, credentials []byte) *ber.Packet {
	sasl := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "sasl")
	sasl.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, mechanism, "mechanism"))
	sasl.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(credentials), "credentials"))
	return bindRequest("", sasl)
}
