package winrm

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	photopush "github.com/photopush/photopush"
)

// An Identity is what a WinRM service says of itself to whoever asks, so nobody vouches for it (DSP0226 section 11).
type Identity struct {
	ProtocolVersion  string   // URI of WS-Management
	ProductVendor    string   // Microsoft Corporation
	ProductVersion   string   // as it was said: OS: 0.0.0 SP: 0.0 Stack: 3.0
	OS               string   // 10.0.22631; empty when the host keeps it to itself, as Windows does before anybody has signed in
	Stack            string   // version of WinRM: 3.0
	SecurityProfiles []string // URIs of the ways to sign in that it offers; many hosts name none
}

const (
	nsIdentity      = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
	identifyMessage = `<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:wsmid="` + nsIdentity + `"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>`
	maxIdentity     = 64 << 10 // bytes of the answer
	maxProfiles     = 50
)

// Identify asks the workstation's WinRM service what it is, in one request, without signing in. It is the only message that travels in clear
// over HTTP; it holds nothing. The error is a *photopush.Error.
func (c *Client) Identify(ctx context.Context, w photopush.Workstation) (Identity, error) {
	l, err := c.newLink(w)
	if err != nil {
		return Identity{}, err
	}
	if err := c.enter(l); err != nil {
		return Identity{}, err
	}
	defer l.end()
	id, err := l.identify(ctx)
	if err != nil {
		return Identity{}, l.failure("identify", err)
	}
	return id, nil
}

func (l *link) identify(ctx context.Context) (Identity, error) {
	raw, err := l.dial(ctx)
	if err != nil {
		return Identity{}, err
	}
	w, err := newWire(ctx, raw, l.tlsConfig(nil), l.address, l.client.cfg.RequestTimeout, maxIdentity)
	if err != nil {
		return Identity{}, l.handshakeFailure(ctx, err)
	}
	l.mu.Lock()
	l.wire = w
	l.mu.Unlock()
	if l.client.isClosed() {
		return Identity{}, &photopush.Error{Reason: photopush.Internal, Op: "connect to", On: l.address, Err: errClosed}
	}
	a, err := w.post(ctx, http.Header{"Content-Type": {soapType}, "WSMANIDENTIFY": {"unauthenticated"}}, []byte(identifyMessage))
	switch {
	case err != nil:
		return Identity{}, err
	case a.status != http.StatusOK || !isSOAP(a):
		return Identity{}, &statusError{a.status}
	}
	return parseIdentity(a.body)
}

// parseIdentity reads IdentifyResponse (DSP0226 section 11). Errors are *malformedError.
func parseIdentity(body []byte) (Identity, error) {
	var id Identity
	found := false
	p := parser{scanner: scanner{in: body}, reply: new(reply)}
	err := p.wrapped(func() error {
		if !p.is(nsIdentity, "IdentifyResponse") {
			return p.skip()
		}
		found = true
		return p.each(func() error { return p.identity(&id) })
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no IdentifyResponse")
	}
	if err != nil {
		return Identity{}, &malformedError{err}
	}
	id.OS, id.Stack = productVersion(id.ProductVersion)
	return id, nil
}

func (p *parser) identity(id *Identity) error {
	text := func(into *string) error {
		err := p.string(into)
		*into = clean(*into, 200)
		return err
	}
	switch {
	case p.is(nsIdentity, "ProtocolVersion"):
		return text(&id.ProtocolVersion)
	case p.is(nsIdentity, "ProductVendor"):
		return text(&id.ProductVendor)
	case p.is(nsIdentity, "ProductVersion"):
		return text(&id.ProductVersion)
	case p.is(nsIdentity, "SecurityProfiles"):
		return p.each(func() error {
			if !p.is(nsIdentity, "SecurityProfileName") {
				return p.skip()
			}
			if len(id.SecurityProfiles) == maxProfiles {
				return fmt.Errorf("there are more than %d security profiles", maxProfiles)
			}
			var name string
			err := text(&name)
			id.SecurityProfiles = append(id.SecurityProfiles, name)
			return err
		})
	}
	return p.skip()
}

// productVersion takes Windows' text apart.
func productVersion(text string) (os, stack string) {
	words := strings.Fields(text)
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "OS:":
			os = words[i+1]
		case "Stack:":
			stack = words[i+1]
		}
	}
	if os == "0.0.0" {
		os = ""
	}
	return os, stack
}
