package directory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/photopush/photopush/gss"
)

// A glass seal is one that tests can look through: sequence, checksum, message.
type glassSeal struct {
	gss.Context
	sent, got uint32
	failAfter uint32 // messages that are sealed; 0 for all
}

var errGlass = errors.New("broken seal")

func (g *glassSeal) Seal(dst, message []byte) ([]byte, int, error) {
	if g.failAfter > 0 && g.sent == g.failAfter {
		return nil, 0, errGlass
	}
	g.sent++
	dst = binary.BigEndian.AppendUint32(dst, g.sent)
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(message))
	return append(dst, message...), 8, nil
}

func (g *glassSeal) Unseal(sealed []byte) ([]byte, error) {
	g.got++
	if len(sealed) < 8 || binary.BigEndian.Uint32(sealed) != g.got || binary.BigEndian.Uint32(sealed[4:]) != crc32.ChecksumIEEE(sealed[8:]) {
		return nil, errGlass
	}
	return sealed[8:], nil
}

// A halfConn reads from one place and writes to another.
type halfConn struct {
	net.Conn
	r io.Reader
	w bytes.Buffer
}

func (c *halfConn) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c *halfConn) Write(p []byte) (int, error) { return c.w.Write(p) }

// sealedBytes are messages as a peer sends them, a buffer each.
func sealedBytes(t testing.TB, messages ...string) []byte {
	t.Helper()
	c := newSealedConn(&halfConn{}, &glassSeal{}, maxSealed)
	for _, m := range messages {
		must(t, c.writeBuffer([]byte(m))) // Write seals no empty message
	}
	return c.Conn.(*halfConn).w.Bytes()
}

// TestSealedBothWays writes messages of any length in buffers that the peer takes, which a peer reads in any pieces.
func TestSealedBothWays(t *testing.T) {
	for _, most := range []int{1, 7, 1000, 1 << 20} {
		out := &halfConn{}
		w := newSealedConn(out, &glassSeal{}, most)
		var want []byte
		for _, size := range []int{0, 1, 6, 7, 8, 3000, 70_000} {
			message := bytes.Repeat([]byte{byte(size), 0x30}, size)[:size]
			want = append(want, message...)
			if most == 1 && size > 3000 {
				continue
			}
			if n, err := w.Write(message); n != size || err != nil {
				t.Fatalf("most %d: wrote %d of %d, %v", most, n, size, err)
			}
		}
		if most == 1 {
			want = want[:len(want)-70_000]
		}
		for rest := out.w.Bytes(); len(rest) > 0; {
			n := int(binary.BigEndian.Uint32(rest))
			if n > most+8 {
				t.Fatalf("a buffer of %d bytes, where a message of %d is the most", n, most)
			}
			rest = rest[4+n:]
		}
		if most > maxSealed {
			continue // a peer of ours is not told to send that much
		}
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader} {
			r := newSealedConn(&halfConn{r: wrap(bytes.NewReader(out.w.Bytes()))}, &glassSeal{}, most)
			got, err := io.ReadAll(iotest.HalfReader(r))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("most %d, %s: %d bytes of %d, %v", most, name, len(got), len(want), err)
			}
		}
	}
}

// TestSealedReading: what is no regular buffer ends reading, and nothing behind it is read.
func TestSealedReading(t *testing.T) {
	good := sealedBytes(t, "one", "", "two")
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for name, c := range map[string]struct {
		in   []byte
		want string // what is read before the end
		err  error
	}{
		"whole":             {good, "onetwo", io.EOF},
		"nothing":           {nil, "", io.EOF},
		"within a length":   {good[:2], "", io.ErrUnexpectedEOF},
		"behind a length":   {good[:4], "", io.ErrUnexpectedEOF},
		"within a buffer":   {good[:len(good)-1], "one", io.ErrUnexpectedEOF},
		"between buffers":   {good[:15], "one", io.EOF},
		"a length of zero":  {append(length(0), good...), "", errSealedLength},
		"too long":          {append(length(maxSealed+1), make([]byte, maxSealed+1)...), "", errSealedLength},
		"in clear":          {[]byte("0\x0c\x02\x01\x01a\x07\n\x01\x00\x04\x00\x04\x00"), "", errSealedLength},
		"a buffer left out": {good[15:], "", errGlass},
		"a buffer twice":    {append(bytes.Clone(good[:15]), good...), "one", errGlass},
		"altered":           {append(append(bytes.Clone(good[:14]), 'x'), good[15:]...), "", errGlass},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSealedConn(&halfConn{r: bytes.NewReader(c.in)}, &glassSeal{}, 100)
			var got []byte
			var err error
			for buf := make([]byte, 2); err == nil; {
				var n int
				n, err = r.Read(buf)
				got = append(got, buf[:n]...)
			}
			if string(got) != c.want || !errors.Is(err, c.err) || c.err == io.EOF && err != io.EOF {
				t.Errorf("read %q, %v, want %q, %v", got, err, c.want, c.err)
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Errorf("after the end: %v", again)
			}
		})
	}
}

// TestSealedWritingStops: after an error nothing is written any more.
func TestSealedWritingStops(t *testing.T) {
	out := &halfConn{}
	c := newSealedConn(out, &glassSeal{failAfter: 2}, 3)
	if n, err := c.Write([]byte("onetwothree")); n != 6 || !errors.Is(err, errGlass) {
		t.Errorf("wrote %d, %v", n, err)
	}
	before := out.w.Len()
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, errGlass) || out.w.Len() != before {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// TestSealedAtOnce reads and writes from several goroutines; the race detector looks on.
func TestSealedAtOnce(t *testing.T) {
	near, far := net.Pipe()
	a, b := newSealedConn(near, &glassSeal{}, 5), newSealedConn(far, &glassSeal{}, 5)
	var wg sync.WaitGroup
	for _, c := range []*sealedConn{a, b} {
		for range 3 {
			wg.Go(func() {
				for range 50 {
					if _, err := c.Write([]byte("ten bytes.")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			got, err := io.ReadAll(io.LimitReader(c, 3*50*10))
			if err != nil || len(got) != 3*50*10 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	a.Close()
	b.Close()
}

// FuzzSealedConn feeds anything; what is read was sealed, in its order.
func FuzzSealedConn(f *testing.F) {
	good := sealedBytes(f, "one", "", "two")
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		g := &glassSeal{}
		r := newSealedConn(&halfConn{r: bytes.NewReader(b)}, g, 100)
		got, _ := io.ReadAll(r)
		if len(got) > len(b) || cap(r.buf) > 2*keepBuffer {
			t.Errorf("%d bytes of %d, in a buffer of %d", len(got), len(b), cap(r.buf))
		}
		if len(got) > 0 && g.got == 0 {
			t.Error("bytes were read that nobody has sealed")
		}
	})
}
