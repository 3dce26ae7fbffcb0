//go:build linux

package farend

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// An Exchange is one request and its answer, by the sizes of their bodies in bytes.
type Exchange struct{ Sent, Got int }

// A Recorder notes the exchanges of connections that it has dialled, which speak plain HTTP/1.1 with known lengths.
type Recorder struct {
	mu        sync.Mutex
	exchanges []Exchange
	sending   bool
	head      bool // the head of a message is not complete yet
	text      []byte
}

// DialTo gives a function that dials addr, whatever it is asked for, and lets the recorder listen; a nil one does not.
func DialTo(addr string, r *Recorder) func(ctx context.Context, network, _ string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil || r == nil {
			return c, err
		}
		return recorded{c, r}, nil
	}
}

// Exchanges are those so far.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.exchanges)
}

type recorded struct {
	net.Conn
	r *Recorder
}

func (c recorded) Write(p []byte) (int, error) {
	c.r.note(true, p) // before the answer can come
	return c.Conn.Write(p)
}

func (c recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.r.note(false, p[:n])
	return n, err
}

// note counts what belongs to the body of the message that is under way; requests and answers take turns.
func (r *Recorder) note(sending bool, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) == 0 {
		return
	}
	if sending && !r.sending {
		r.exchanges = append(r.exchanges, Exchange{})
	}
	if sending != r.sending {
		r.sending, r.head, r.text = sending, true, nil
	}
	n := len(p)
	if r.head {
		r.text = append(r.text, p...)
		_, body, complete := bytes.Cut(r.text, []byte("\r\n\r\n"))
		if !complete {
			return
		}
		r.head, n = false, len(body)
	}
	now := &r.exchanges[len(r.exchanges)-1]
	if sending {
		now.Sent += n
	} else {
		now.Got += n
	}
}

// A Poster makes exchanges of given sizes with the sink, by net/http, on one connection.
type Poster struct {
	client http.Client
	url    string
}

// Poster is one that has not connected yet; with TLS it trusts the far end's certificate for host alone, and is not recorded. r may be nil.
func (f *FarEnd) Poster(host string, secret bool, r *Recorder) *Poster {
	t := &http.Transport{DialContext: DialTo(f.Sink, r)}
	p := &Poster{url: "http://" + host + "/"}
	if secret {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(f.CA)
		t.DialContext, t.TLSClientConfig = DialTo(f.SinkHTTPS, nil), &tls.Config{RootCAs: roots}
		p.url = "https://" + host + "/"
	}
	p.client.Transport = t
	return p
}

// Post sends body and reads an answer of len(answer) bytes.
func (p *Poster) Post(ctx context.Context, body, answer []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprint(p.url, len(answer)), bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the sink answers %s", resp.Status)
	}
	_, err = io.ReadFull(resp.Body, answer)
	return err
}

// Close closes the connection.
func (p *Poster) Close() { p.client.CloseIdleConnections() }
