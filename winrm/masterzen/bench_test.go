//go:build linux

package masterzen

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	zen "github.com/masterzen/winrm"

	"github.com/photopush/photopush/internal/farend"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/winrm"
)

const (
	picture = 200 << 10 // bytes that are put on the workstation
	script  = 20_000    // bytes of the script that comes with them, where it does

	powershell = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -Command "it"`
)

// pictureBytes are no text. They are made before anything is measured, as is pushInput.
var pictureBytes = sync.OnceValue(func() []byte {
	data := make([]byte, picture)
	for i := range data {
		data[i] = byte(i * 7919 >> 3)
	}
	return data
})

// pushInput is a script and the picture as base64 lines, as docs/script.md has them.
var pushInput = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	b.WriteString(strings.Repeat("# a line of the script\n", script/23))
	text := base64.StdEncoding.EncodeToString(pictureBytes())
	for len(text) > 4096 {
		b.WriteString(text[:4096] + "\n")
		text = text[4096:]
	}
	b.WriteString(text + "\n.\n")
	return b.Bytes()
})

// A way puts the picture on the workstation.
type way struct {
	name   string
	secret bool // within TLS, with Basic; else over HTTP, sealed with Kerberos
	times  int  // pushes in a turn
	push   func(ctx context.Context) error
	echoes bool // the picture arrives by echo, else by standard input
	ours   bool // the bars are for it

	exchanges []farend.Exchange // that net/http makes, without a workstation

	total
}

// total is what all pushes of a way took together.
type total struct {
	pushes                          int
	requests, connections, programs int
	up, down                        int64
	as, tgs                         int
	cpu                             time.Duration
	allocs, allocated               uint64
}

// A contest is the far end, the KDC, and the ways.
type contest struct {
	*testing.B
	far   *farend.FarEnd
	realm *realm
	ways  []*way
}

// BenchmarkPush sets ways to put a picture of 200 KB on a workstation side by side, in turns: our engine; masterzen/winrm, by its standard input; winrmcp's
// way, which appends base64 to a file by echo; and net/http with as many bytes as our engine sends, for the least that could be. The
// workstation and the KDC are other processes. Bars: 7 requests, 1 connection, 1 process.
func BenchmarkPush(b *testing.B) {
	b.Setenv("NO_PROXY", "*") // masterzen's own transport asks the environment for one
	r := newRealm(b)
	keytab, err := os.ReadFile(r.keytab)
	if err != nil {
		b.Fatal(err)
	}
	c := &contest{B: b, realm: r, far: farend.Start(b, farend.Options{Host: testHost, Keytab: keytab, Users: map[string]string{"svc": "Secret-1"}})}
	recorder := new(farend.Recorder)
	c.sealed(recorder)
	c.ways[0].measure(c, 1)
	exchanges := recorder.Exchanges()
	c.add(way{name: "net/http", times: 20, exchanges: exchanges, push: c.post(exchanges, false)})
	c.secret()
	c.add(way{name: "net/http", times: 20, exchanges: exchanges[1:], secret: true, push: c.post(exchanges[1:], true)}) // less the one that signs in
	for _, w := range c.ways {
		w.measure(c, 1) // caches fill, tickets are got
		if w.as+w.tgs > 2 {
			b.Errorf("%s asked the KDC %d times", w.name, w.as+w.tgs)
		}
		w.total = total{as: w.as, tgs: w.tgs}
	}
	for b.Loop() {
		for _, w := range c.ways {
			w.measure(c, w.times)
		}
	}
	c.report()
}

func (c *contest) add(w way) { c.ways = append(c.ways, &w) }

// sealed adds the ways over HTTP, with Kerberos. Masterzen/winrm has no sealing of its own there, so it gets ours.
func (c *contest) sealed(recorder *farend.Recorder) {
	options := func(r *farend.Recorder) winrm.Options {
		return winrm.Options{Kerberos: c.realm.tickets(c), Dial: farend.DialTo(c.far.HTTP, r)}
	}
	ours, err := winrm.New(c.realm.config, options(recorder))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { ours.Close() })
	c.add(way{name: "photopush", times: 20, ours: true, push: c.session(open(ours.Open))})
	adapted, err := New(c.realm.config, options(nil))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { adapted.Close() })
	c.add(way{name: "masterzen, as an engine here", times: 20, push: c.session(open(adapted.Open))})
	for _, w := range []way{
		{name: "masterzen, RunWithInput", times: 20, push: c.overOurs(options(nil), true, runWithInput)},
		{name: "masterzen, winrmcp's way", times: 3, echoes: true, push: c.overOurs(options(nil), false, copyByEcho)},
	} {
		c.add(w)
	}
}

// secret adds the ways within TLS, with Basic, each by its own transport.
func (c *contest) secret() {
	cfg := winrm.DefaultConfig()
	cfg.Transport, cfg.Auth, cfg.User, cfg.PasswordFile = "https", "basic", "svc", c.realm.config.PasswordFile
	cfg.CAFile = filepath.Join(c.TempDir(), "ca.pem")
	if err := os.WriteFile(cfg.CAFile, c.far.CA, 0o600); err != nil {
		c.Fatal(err)
	}
	ours, err := winrm.New(cfg, winrm.Options{Dial: farend.DialTo(c.far.HTTPS, nil)})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { ours.Close() })
	c.add(way{name: "photopush", secret: true, times: 20, ours: true, push: c.session(open(ours.Open))})
	c.add(way{name: "masterzen, RunWithInput", secret: true, times: 20, push: c.overTheirs(runWithInput)})
	c.add(way{name: "masterzen, winrmcp's way", secret: true, times: 3, echoes: true, push: c.overTheirs(copyByEcho)})
}

// session pushes as a visit does.
func (c *contest) session(e engine) func(context.Context) error {
	input := pushInput()
	return func(ctx context.Context) error {
		s, err := e(ctx, testWorkstation)
		if err != nil {
			return err
		}
		out, err := s.Run(ctx, powershell, input)
		if err == nil {
			err = readAll(out.Stdout, input)
		}
		return firstOf(err, s.Close(ctx))
	}
}

func readAll(stdout, input []byte) error {
	if want := fmt.Sprintf("read %d bytes\n", len(input)); string(stdout) != want {
		return fmt.Errorf("the program printed %q, want %q", stdout, want)
	}
	return nil
}

// overOurs is a way of masterzen's client over our connection.
func (c *contest) overOurs(o winrm.Options, hasInput bool, push func(*zen.Client) error) func(context.Context) error {
	client, err := winrm.New(c.realm.config, o)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { client.Close() })
	return func(ctx context.Context) error {
		ch, err := client.Dial(ctx, testWorkstation)
		if err != nil {
			return err
		}
		defer ch.Close()
		t := NewTransporter(ctx, ch, hasInput)
		p := *zen.DefaultParameters
		p.TransportDecorator = func() zen.Transporter { return t }
		theirs, err := zen.NewClientWithParameters(zen.NewEndpoint(testHost, 5985, false, false, nil, nil, nil, 0), "", "", &p)
		if err != nil {
			return err
		}
		return firstOf(push(theirs), t.Err())
	}
}

// overTheirs is a way of masterzen's client over its own transport, which nothing but the end of its connections ends.
func (c *contest) overTheirs(push func(*zen.Client) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var conns []net.Conn
		p := *zen.DefaultParameters
		p.Dial = func(network, _ string) (net.Conn, error) {
			conn, err := farend.DialTo(c.far.HTTPS, nil)(ctx, network, "")
			if err == nil {
				conns = append(conns, conn)
			}
			return conn, err
		}
		defer func() {
			for _, conn := range conns {
				conn.Close()
			}
		}()
		theirs, err := zen.NewClientWithParameters(zen.NewEndpoint(testHost, 5986, true, false, c.far.CA, nil, nil, 0), "svc", "Secret-1", &p)
		if err != nil {
			return err
		}
		return push(theirs)
	}
}

// runWithInput is masterzen's own way to feed a command.
func runWithInput(c *zen.Client) error {
	input := pushInput()
	var stdout bytes.Buffer
	if _, err := c.RunWithInput(powershell, &stdout, io.Discard, bytes.NewReader(input)); err != nil {
		return err
	}
	return readAll(stdout.Bytes(), input)
}

// copyByEcho is winrmcp's way, rebuilt from its description: a command, in a shell of its own, for each piece that fits into a command line of
// 8,000 characters, then one that decodes the file and one that removes it.
func copyByEcho(c *zen.Client) error {
	const path = `%TEMP%\winrmcp-0e2f5b9c-7d3a-4a7b-8000-6553f1000001.tmp`
	const piece = (8000 - len(path)) / 4 * 3
	data := pictureBytes()
	commands := []string{}
	for len(data) > 0 {
		n := min(piece, len(data))
		commands = append(commands, "echo "+base64.StdEncoding.EncodeToString(data[:n])+" >> "+path)
		data = data[n:]
	}
	commands = append(commands,
		zen.Powershell(`$f = [Environment]::ExpandEnvironmentVariables('`+path+`'); [IO.File]::WriteAllBytes("$f.out", [Convert]::FromBase64String((Get-Content $f) -join ''))`),
		zen.Powershell(`Remove-Item ([Environment]::ExpandEnvironmentVariables('`+path+`'))`))
	for _, command := range commands {
		switch code, err := c.Run(command, io.Discard, io.Discard); {
		case err != nil:
			return err
		case code != 0:
			return fmt.Errorf("a command ended with exit code %d", code)
		}
	}
	return nil
}

// post makes the exchanges by net/http.
func (c *contest) post(exchanges []farend.Exchange, secret bool) func(context.Context) error {
	largest := 0
	for _, e := range exchanges {
		largest = max(largest, e.Sent, e.Got)
	}
	sent, got := make([]byte, largest), make([]byte, largest)
	return func(ctx context.Context) error {
		p := c.far.Poster(testHost, secret, nil)
		defer p.Close()
		for _, e := range exchanges {
			if err := p.Post(ctx, sent[:e.Sent], got[:e.Got]); err != nil {
				return err
			}
		}
		return nil
	}
}

// measure pushes a number of times, and adds up what that took.
func (w *way) measure(c *contest, times int) {
	c.far.Reset()
	as, tgs, _ := c.realm.kdc.Requests()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, err := farend.CPU()
	for range times {
		err = firstOf(err, w.push(c.Context()))
	}
	ended, again := farend.CPU()
	if err = firstOf(err, again); err != nil {
		c.Fatalf("%s: %v", w.name, err)
	}
	runtime.ReadMemStats(&after)
	asNow, tgsNow, _ := c.realm.kdc.Requests()
	w.as, w.tgs = w.as+asNow-as, w.tgs+tgsNow-tgs
	w.pushes += times
	w.cpu += ended - began
	w.allocs += after.Mallocs - before.Mallocs
	w.allocated += after.TotalAlloc - before.TotalAlloc
	counts := c.far.Counts()
	stats := counts.HTTP
	if w.secret {
		stats = counts.HTTPS
	}
	w.requests += stats.Requests
	w.connections += stats.Connections
	w.programs += stats.Processes
	w.up += stats.BytesReceived
	w.down += stats.BytesSent
	switch arrived := counts.Input + counts.Echoed; {
	case w.exchanges != nil: // the sink does not count; these are what it was sent and asked for
		w.connections += times
		for _, e := range w.exchanges {
			w.requests, w.up, w.down = w.requests+times, w.up+int64(times*e.Sent), w.down+int64(times*e.Got)
		}
	case w.echoes && arrived != int64(times*picture), !w.echoes && arrived != int64(times*len(pushInput())):
		c.Fatalf("%s: %d bytes arrived in %d pushes", w.name, arrived, times)
	}
}

// report prints a line for each way, and holds ours to the bars.
func (c *contest) report() {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\trequests\tconnections\tprocesses\tup KB\tdown KB\tAS+TGS in all\tclient CPU ms\tallocs\talloc KB\t× net/http\t")
	for _, w := range c.ways {
		if w.ours && (w.requests > 7*w.pushes || w.connections != w.pushes || w.programs != w.pushes) {
			c.Errorf("%s: %d requests, %d connections, %d processes for %d pushes, want at most 7, 1, 1 each", w.name, w.requests, w.connections, w.programs, w.pushes)
		}
		w.line(table, c.least(w.secret))
	}
	table.Flush()
	for i, line := range strings.Split(strings.TrimRight(text.String(), "\n"), "\n") {
		summary.Line(c, "push of 200 KB %d %s", i, line) // the lines are shown sorted
	}
}

// least is the processor time of a push by net/http.
func (c *contest) least(secret bool) time.Duration {
	for _, w := range c.ways {
		if w.exchanges != nil && w.secret == secret {
			return w.cpu / time.Duration(w.pushes)
		}
	}
	return 0
}

// line writes what one push takes; tickets are counted over all.
func (w *way) line(table io.Writer, least time.Duration) {
	n, cpu := float64(w.pushes), w.cpu/time.Duration(w.pushes)
	kind, tickets := "sealed", fmt.Sprintf("%d+%d", w.as, w.tgs)
	switch {
	case w.secret:
		kind, tickets = "TLS", "-"
	case w.exchanges != nil:
		kind, tickets = "in clear", "-"
	}
	fmt.Fprintf(table, "%-37s\t%.3g\t%.3g\t%.3g\t%.0f\t%.1f\t%s\t%.1f\t%.0f\t%.0f\t%.2f\t\n", w.name+", "+kind,
		float64(w.requests)/n, float64(w.connections)/n, float64(w.programs)/n, float64(w.up)/n/1000, float64(w.down)/n/1000, tickets,
		cpu.Seconds()*1000, float64(w.allocs)/n, float64(w.allocated)/n/1000, float64(cpu)/float64(least))
}
