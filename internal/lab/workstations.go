package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
	"github.com/photopush/photopush/internal/simwin"
)

// A Workstation is a simulated computer of the company.
type Workstation struct {
	Host    string // dNSHostName
	ID      photopush.GUID
	Machine *simwin.Machine
	Server  *simwin.Server
	Users   []*Person // who has a profile there
	Oddity  Oddity
}

// An Oddity is what is not ordinary with a workstation.
type Oddity string

const (
	Ordinary   Oddity = ""
	Off        Oddity = "off"
	Policy     Oddity = "policy"      // UseDefaultTile: Windows shows nobody's picture
	OldPicture Oddity = "old picture" // its users have chosen pictures themselves
)

// oddity is that of the i-th workstation, counting from 0, of a company that is not plain: a tenth is off, the fourth is under policy,
// the sixth has old pictures.
func oddity(i int) Oddity {
	switch {
	case i == 3:
		return Policy
	case i == 5:
		return OldPicture
	case i%10 == 7:
		return Off
	}
	return Ordinary
}

func (c *Company) addWorkstations(ctx context.Context) error {
	for i := range c.options.Workstations {
		w := &Workstation{Host: fmt.Sprintf("ws%04d.%s", i+1, DomainName)}
		if !c.options.Plain {
			w.Oddity = oddity(i)
		}
		o, err := c.Domain.AddComputer(simad.Computer{OU: workOU, Name: fmt.Sprintf("ws%04d", i+1), LastLogon: c.options.Now.Add(-time.Duration(i) * time.Hour), PasswordSet: c.options.Now.Add(-24 * time.Hour)})
		if err != nil {
			return err
		}
		w.ID = photopush.GUID(o.GUID)
		if err := c.startWorkstation(ctx, w, i); err != nil {
			return err
		}
		c.Workstations = append(c.Workstations, w)
	}
	return nil
}

func (c *Company) startWorkstation(ctx context.Context, w *Workstation, i int) error {
	w.Machine = simwin.NewMachine(simwin.MachineOptions{
		Domain: DomainName, UseDefaultTile: w.Oddity == Policy, MachineGUID: fmt.Sprintf("7d3a1c52-90be-4f0e-8a44-%012x", i+1),
	})
	c.giveProfiles(w, i)
	ip := c.address(byte(1+i/250), byte(1+i%250))
	cert, err := c.ca.Issue(w.Host, net.IP(ip.AsSlice()))
	if err != nil {
		return err
	}
	c.Domain.AddHost(w.Host, ip)
	var engine simwin.Engine = w.Machine
	if c.options.Engine != nil {
		engine = c.options.Engine(w)
	}
	w.Server, err = simwin.Start(context.WithoutCancel(ctx), simwin.Options{
		Host: w.Host, Addr: netip.AddrPortFrom(ip, workPort).String(), Certificate: cert, Engine: engine, Domain: DomainName,
		Users: map[string]string{workAccount: c.workPassword}, Administrators: []string{workAccount},
		Piecemeal: c.options.Piecemeal && i%2 == 1, Log: c.options.Log,
		OnRequest: c.hook(w, c.options.OnRequest), OnAnswer: c.hook(w, c.options.OnAnswer),
	})
	if err == nil && w.Oddity == Off {
		err = w.Server.SetFault(simwin.Fault{Mode: simwin.Off})
	}
	return err
}

func (c *Company) hook(w *Workstation, f func(*Workstation, int, string)) func(int, string) {
	if f == nil {
		return nil
	}
	return func(n int, action string) { f(w, n, action) }
}

// giveProfiles lets every person have a profile on one workstation, and every fifth one on the next as well.
func (c *Company) giveProfiles(w *Workstation, i int) {
	n := c.options.Workstations
	for j, p := range c.People {
		if j%n == i || j%5 == 0 && (j+1)%n == i {
			w.Users = append(w.Users, p)
			seen := c.options.Now.Add(-time.Duration(1+j) * time.Hour)
			w.Machine.AddProfile(simwin.UserProfile{SID: p.SID, Name: p.Account, Load: seen.Add(-time.Hour), Unload: seen})
			if w.Oddity == OldPicture {
				w.Machine.AddWindowsPicture(p.SID, oldNumber+p.Number)
			}
		}
	}
}

// oldNumber is added to a person's number in the picture that he had chosen himself.
const oldNumber = 1_000_000

// Switch turns a workstation on or off.
func (w *Workstation) Switch(on bool) error {
	if on {
		return w.Server.SetFault()
	}
	return w.Server.SetFault(simwin.Fault{Mode: simwin.Off})
}
