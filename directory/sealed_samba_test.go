//go:build linux

package directory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// A sealFault is what happens to one piece of what passes: a message of LDAP while the account is proved, then a sealed buffer.
type sealFault int

const (
	cutBefore sealFault = iota
	cutInside
	cutAfter
	alter    // a bit of its last byte
	alterLen // a bit of its length
	leaveOut
	repeat
	exchange // with the next one
)

// A meddler passes pieces on, and does one thing to the n-th of them, counted from 1.
type meddler struct {
	fault   sealFault
	n       int
	answers bool // meddles with what the controller says, else with what we say

	pieces atomic.Int64 // that passed in that direction
}

func (m *meddler) pipe(to, from net.Conn, answers bool) {
	if answers != m.answers {
		plainPipe(to, from, answers)
		return
	}
	var held []byte
	for {
		piece, err := readPiece(from)
		if err != nil {
			return
		}
		if m.pieces.Add(1) == int64(m.n) {
			switch m.fault {
			case cutBefore:
				return
			case cutInside:
				_, _ = to.Write(piece[:len(piece)/2]) // that the other side is gone shows at the next read
				return
			case cutAfter:
				_, _ = to.Write(piece)
				return
			case alter:
				piece[len(piece)-1] ^= 0x10
			case alterLen:
				piece[3] ^= 0x10
			case leaveOut:
				continue
			case repeat:
				piece = append(piece, piece...)
			case exchange:
				held = piece
				continue
			}
		}
		if _, err := to.Write(append(piece, held...)); err != nil {
			return
		}
		held = nil
	}
}

// readPiece reads a message of LDAP, which begins with 0x30, or a sealed buffer, whose length does not.
func readPiece(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if head[0] == tagSequence {
		return readElement(io.MultiReader(bytes.NewReader(head[:1]), r), nil)
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return nil, err
	}
	piece := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
	_, err := io.ReadFull(r, piece[4:])
	return piece, err
}

// TestSambaSealedFaults cuts, alters, leaves out, repeats and exchanges each piece of a sealed read of a real controller, in both directions: what was
// altered is an error, never another directory, and with a second way to the controller the read is whole.
func TestSambaSealedFaults(t *testing.T) {
	d := sambalab.NewWith(t, sambalab.Options{StrongAuth: "yes"})
	want := sambaPhotos(d)
	account := sambaAccounts(t, d)["keytab"]
	cfg := sambaConfig(d, d.LDAP())
	cfg.Account, cfg.Encryption, cfg.Timeout, cfg.CAFile = account, overSealed, time.Second, ""
	tickets := sambaTickets(t, d, cfg)

	read := func(t *testing.T, m *meddler, controllers ...string) (map[string][]byte, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		relay(t, l, func() (net.Conn, error) { return net.Dial("tcp", d.IP+":389") }, m.pipe)
		cfg := cfg
		cfg.Controllers = controllers
		return readPhotos(t, open(t, cfg, Options{Kerberos: tickets, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if _, port, err := net.SplitHostPort(address); err != nil || port == "389" {
				return new(net.Dialer).DialContext(ctx, network, d.IP+":389")
			}
			return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		}}))
	}
	meddled, direct := d.LDAP()+":3890", d.LDAP()
	for _, answers := range []bool{false, true} {
		count := &meddler{answers: answers}
		if got, err := read(t, count, meddled); err != nil || len(got) != len(want) {
			t.Fatalf("without a fault: %d users, %v", len(got), err)
		}
		pieces := int(count.pieces.Load())
		t.Logf("answers %v: %d pieces", answers, pieces)
		for n := 1; n <= pieces; n++ {
			for fault, name := range map[sealFault]string{
				cutBefore: "cut before", cutInside: "cut inside", cutAfter: "cut after", alter: "alter", alterLen: "alter the length of",
				leaveOut: "leave out", repeat: "repeat", exchange: "exchange",
			} {
				t.Run(fmt.Sprintf("%s %d, answers %v", name, n, answers), func(t *testing.T) {
					t.Parallel()
					m := &meddler{fault: fault, n: n, answers: answers}
					got, err := read(t, m, meddled)
					switch {
					case err == nil:
						if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
							t.Errorf("no error, and -want +got\n%.500s", diff)
						}
						// Nothing is missed behind the last piece; and Samba takes a sealed request that it has had already.
						if n < pieces && (fault != repeat || answers) {
							t.Error("no error")
						}
					case !errors.Is(err, photopush.ErrNoDirectory):
						t.Errorf("got %v", err)
					}
					m = &meddler{fault: fault, n: n, answers: answers}
					got, err = read(t, m, meddled, direct)
					if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
						t.Errorf("with a second way: %v, -want +got\n%.500s", err, diff)
					}
				})
			}
		}
	}
}
