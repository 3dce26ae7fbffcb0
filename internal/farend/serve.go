//go:build linux

package farend

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/simwin"
)

// serve is the process: it reads its options, says where it listens, then answers questions until there are no more.
func serve(in io.Reader, out io.Writer) error {
	var o Options
	questions := json.NewDecoder(in)
	if err := questions.Decode(&o); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var f FarEnd
	p := &program{runs: o.Runs}
	plain, secret, err := f.start(ctx, o, p)
	if err != nil {
		return err
	}
	if err := answer(out, f); err != nil {
		return err
	}
	for {
		var word string
		if err := questions.Decode(&word); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var reply any = true
		switch word {
		case "counts":
			reply = Counts{HTTP: plain.Stats(), HTTPS: secret.Stats(), Input: p.input.Load(), Echoed: p.echoed.Load()}
		case "reset":
			plain.Reset()
			secret.Reset()
			p.input.Store(0)
			p.echoed.Store(0)
		}
		if err := answer(out, reply); err != nil {
			return err
		}
	}
}

// start listens: as a workstation without and with TLS, and as a sink without and with it.
func (f *FarEnd) start(ctx context.Context, o Options, p *program) (plain, secret *simwin.Server, err error) {
	ca, err := simwin.NewCA()
	if err != nil {
		return nil, nil, err
	}
	certificate, err := ca.Issue(o.Host)
	if err != nil {
		return nil, nil, err
	}
	f.CA = ca.PEM()
	service, err := gss.NewKerberosAcceptor(o.Keytab, gss.AcceptorOptions{})
	if err != nil {
		return nil, nil, err
	}
	workstation := simwin.Options{Host: o.Host, Addr: "127.0.0.1:0", Engine: p}
	workstation.Mechanisms = []simwin.Mechanism{simwin.NewKerberos("Negotiate", service, nil)}
	if plain, err = simwin.Start(ctx, workstation); err != nil {
		return nil, nil, err
	}
	f.Others = make(map[string]string, len(o.Others))
	for _, host := range o.Others {
		workstation.Host = host
		other, err := simwin.Start(ctx, workstation)
		if err != nil {
			return nil, nil, err
		}
		f.Others[host] = other.Addr()
	}
	workstation.Host = o.Host
	workstation.Mechanisms, workstation.Users, workstation.Certificate = nil, o.Users, certificate
	if secret, err = simwin.Start(ctx, workstation); err != nil {
		return nil, nil, err
	}
	f.HTTP, f.HTTPS = plain.Addr(), secret.Addr()
	if f.Sink, err = sink(nil); err != nil {
		return nil, nil, err
	}
	f.SinkHTTPS, err = sink(&tls.Config{Certificates: []tls.Certificate{certificate}})
	return plain, secret, err
}

// sink listens with HTTP/1.1. It ends with the process.
func sink(cfg *tls.Config) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(swallow)) }()
	return addr, nil
}

// swallow reads a request to its end, and answers with as many bytes as its path says.
func swallow(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if _, bad := io.Copy(io.Discard, r.Body); err != nil || bad != nil {
		http.Error(w, "want a number of bytes, and a whole request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = w.Write(make([]byte, n)) // a client that is gone needs no answer
}

// program is the one that the workstation runs.
type program struct {
	runs          time.Duration
	input, echoed atomic.Int64
}

func (p *program) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, _ io.Writer) (uint32, error) {
	if line, _, ok := strings.Cut(commandLine, ">>"); ok {
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "echo")))
		p.echoed.Add(int64(len(data)))
		return exitCode(err), nil
	}
	if strings.Contains(commandLine, "-EncodedCommand") { // it has no input, and nobody ends it
		return 0, nil
	}
	n, err := io.Copy(io.Discard, stdin)
	if err != nil || ctx.Err() != nil {
		return 1, ctx.Err()
	}
	p.input.Add(n)
	select {
	case <-time.After(p.runs):
	case <-ctx.Done():
		return 1, ctx.Err()
	}
	_, err = fmt.Fprintf(stdout, "read %d bytes\n", n)
	return exitCode(err), nil
}

func exitCode(err error) uint32 {
	if err != nil {
		return 1
	}
	return 0
}
