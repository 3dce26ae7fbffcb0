// Package lab is a simulated company for the demo, for tests and for load runs: a domain of simad with people and their photos, and
// simwin's workstations with their profiles, each on a loopback address of its own, found by name through the domain's DNS. It writes
// the configuration that a real photopush is started with, and tells afterwards what the workstations show.
//
// Everything in it stands for something outside photopush: it knows no room of the product.
package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/photopush/photopush/internal/simad"
	"github.com/photopush/photopush/internal/simwin"
)

// Options say how large a company is, and how ordinary.
type Options struct {
	Dir          string       // folder for configuration, passwords, certificates and database; must exist
	Users        int          // people, u1001 and on
	Workstations int          // ws0001 and on
	Plain        bool         // nothing odd: every workstation on, every photo good
	Piecemeal    bool         // every second workstation hands output over in pieces, as Windows may; each costs a request
	WorkPassword string       // what photopush is told to sign in with; empty for the one that the workstations accept
	Now          time.Time    // when people last signed in, and computers too, is counted from here; zero for the time of Start
	Log          *slog.Logger // nil for none

	Engine    func(w *Workstation) simwin.Engine         // what runs a workstation's commands in place of its Machine; nil for that
	OnRequest func(w *Workstation, n int, action string) // before the n-th request of a workstation is carried out
	OnAnswer  func(w *Workstation, n int, action string) // after that, before its answer is sent
}

// Names of the company.
const (
	DomainName    = "corp.example"
	readAccount   = "svc-read@corp.example"
	photoAccount  = "svc-photo@corp.example" // may write the photos of everybody in Staff
	workAccount   = "svc-push"               // a local account of every workstation: Basic is for those only
	staffOU       = "OU=Staff,DC=corp,DC=example"
	workOU        = "OU=Workstations,DC=corp,DC=example"
	workPort      = 5986
	directoryPort = 10636
	dnsPort       = 10053
)

// A Company is running from Start to Close.
type Company struct {
	ConfigFile   string // for photopush --config
	Domain       *simad.Domain
	Controller   *simad.Controller
	People       []*Person
	Workstations []*Workstation

	options       Options
	network       byte // second octet of every address: 127.network.x.y
	ca            *simwin.CA
	readPassword  string
	photoPassword string
	workPassword  string
}

// Start makes a company and starts it.
func Start(ctx context.Context, o Options) (_ *Company, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	c := &Company{options: o, readPassword: newPassword(), photoPassword: newPassword(), workPassword: newPassword(), ConfigFile: filepath.Join(o.Dir, "photopush.yaml")}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.ca, err = simwin.NewCA(); err != nil {
		return nil, err
	}
	if c.Domain, err = simad.NewDomain(DomainName, simad.Options{}); err != nil {
		return nil, err
	}
	if err := c.startController(); err != nil {
		return nil, err
	}
	if err := c.addPeople(); err != nil {
		return nil, err
	}
	if err := c.addWorkstations(ctx); err != nil {
		return nil, err
	}
	return c, c.writeFiles()
}

// startController finds a part of the loopback network that nobody uses, and starts the domain controller there.
func (c *Company) startController() error {
	var errs []error
	for range 20 {
		c.network = 64 + randomByte()%128
		ip := c.address(0, 1)
		cert, err := c.ca.Issue("dc1."+DomainName, net.IP(ip.AsSlice()))
		if err != nil {
			return err
		}
		c.Controller, err = c.Domain.Serve(simad.ControllerOptions{IP: ip, LDAPPort: 10389, LDAPSPort: directoryPort, DNSPort: dnsPort, Certificate: cert})
		if err == nil {
			c.Domain.AddHost("dc1."+DomainName, ip)
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("no free loopback addresses for a simulated company: %w", errors.Join(errs...))
}

// address is 127.network.x.y.
func (c *Company) address(x, y byte) netip.Addr {
	return netip.AddrFrom4([4]byte{127, c.network, x, y})
}

// Close stops every workstation and the domain controller.
func (c *Company) Close() {
	for _, w := range c.Workstations {
		w.Server.Close()
	}
	if c.Controller != nil {
		c.Controller.Close()
	}
}

// writeFiles writes what photopush reads: the configuration, the CA and the passwords.
func (c *Company) writeFiles() error {
	work := c.workPassword
	if c.options.WorkPassword != "" {
		work = c.options.WorkPassword
	}
	for name, content := range map[string]string{
		"ca.pem": string(c.ca.PEM()), "read-password": c.readPassword + "\n", "photo-password": c.photoPassword + "\n", "work-password": work + "\n", "photopush.yaml": c.config(),
	} {
		if err := os.WriteFile(filepath.Join(c.options.Dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Company) config() string {
	return fmt.Sprintf(`database:
  path: photopush.db
domains:
  - name: %s
    controllers: [ldaps://dc1.%s:%d]
    ca_file: ca.pem
    bind_user: %s
    password_file: read-password
    writer:
      bind_user: %s
      password_file: photo-password
    dns_servers: ["%s"]
    users:
      bases: ["%s"]
    workstations:
      bases: ["%s"]
    winrm:
      transport: https
      auth: basic
      port: %d
      ca_file: ca.pem
      user: %s
      password_file: work-password
jobs:
  visits: 16
server:
  listen: 127.0.0.1:0
`, DomainName, DomainName, directoryPort, readAccount, photoAccount, netip.AddrPortFrom(c.address(0, 1), dnsPort), staffOU, workOU, workPort, workAccount)
}

// SetWorkPassword changes what photopush is told to sign in with; empty for the one that the workstations accept.
func (c *Company) SetWorkPassword(password string) error {
	c.options.WorkPassword = password
	return c.writeFiles()
}

func newPassword() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func randomByte() byte {
	var b [1]byte
	rand.Read(b[:]) // never fails
	return b[0]
}
