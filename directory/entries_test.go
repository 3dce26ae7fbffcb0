package directory

import (
	"fmt"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// entryMessage is a search result entry as a server sends it. Attributes are names, each followed by its values and an empty text.
func entryMessage(dn string, attributes ...string) *ber.Packet {
	text := func(s string) *ber.Packet {
		return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
	}
	list := ber.NewSequence("")
	var values *ber.Packet
	for _, s := range attributes {
		switch {
		case s == "":
			values = nil
		case values == nil:
			a := ber.NewSequence("")
			a.AppendChild(text(s))
			values = ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
			a.AppendChild(values)
			list.AppendChild(a)
		default:
			values.AppendChild(text(s))
		}
	}
	// A packet has the bytes of its children from when they were appended: the list is made anew from what was filled since.
	full := ber.NewSequence("")
	for _, a := range list.Children {
		anew := ber.NewSequence("")
		anew.AppendChild(a.Children[0])
		anew.AppendChild(a.Children[1])
		full.AppendChild(anew)
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(text(dn))
	op.AppendChild(full)
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 7, ""))
	m.AppendChild(op)
	return m
}

func TestDecodeEntry(t *testing.T) {
	long := strings.Repeat("p", maxText+1000)
	b := entryMessage("CN=ä,DC=x", "cn", "ä", "", "objectClass", "top", "user", "", "jpegPhoto", long, "\x00\xff", "", "empty", "").Bytes()
	tap := newTap()
	got, err := tap.decode(b)
	must(t, err)
	want := &ldap.Entry{DN: "CN=ä,DC=x", Attributes: []*ldap.EntryAttribute{
		{Name: "cn", Values: []string{"ä"}, ByteValues: [][]byte{[]byte("ä")}},
		{Name: "objectClass", Values: []string{"top", "user"}, ByteValues: [][]byte{[]byte("top"), []byte("user")}},
		{Name: "jpegPhoto", Values: []string{long[:maxText], "\x00\xff"}, ByteValues: [][]byte{[]byte(long), []byte("\x00\xff")}},
		{Name: "empty", Values: []string{}, ByteValues: [][]byte{}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%.2000s", diff)
	}
	clear(b)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("the entry lies in the message, which is used again")
	}
	for i := range 2 * maxInterned {
		_, err := tap.decode(entryMessage("CN=x", fmt.Sprintf("a%d", i), "v", "").Bytes())
		must(t, err)
	}
	if len(tap.names) > maxInterned {
		t.Errorf("%d names are kept", len(tap.names))
	}
}

// TestMalformedEntries has elements that fit into each other, and are no entry.
func TestMalformedEntries(t *testing.T) {
	const name, empty = "\x04\x01x", "\x30\x00"
	wrap := func(tag string, parts ...string) string {
		s := strings.Join(parts, "")
		return tag + string(rune(len(s))) + s
	}
	attribute := func(parts ...string) string { return wrap("\x30", wrap("\x30", parts...)) }
	for what, op := range map[string]string{
		"nothing":               "",
		"no list":               name,
		"no name":               empty,
		"something behind":      name + empty + empty,
		"list of another tag":   name + "\x31\x00",
		"attribute is no list":  name + wrap("\x30", name),
		"attribute is empty":    name + attribute(),
		"no values":             name + attribute(name),
		"values are no set":     name + attribute(name, empty),
		"value is no text":      name + attribute(name, wrap("\x31", "\x02\x01\x05")),
		"something behind them": name + attribute(name, "\x31\x00", name),
	} {
		message := []byte(wrap("\x30", "\x02\x01\x07", wrap("\x64", op)))
		must(t, checkElement(message, 0))
		if taken, err := newTap().take(message); taken || err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	for what, message := range map[string]string{"no number": wrap("\x30", wrap("\x64", name, empty)), "no operation": wrap("\x30", "\x02\x01\x07"), "empty": "\x30\x00", "no message": name} {
		if taken, err := newTap().take([]byte(message)); taken || err != nil {
			t.Errorf("%s: %v, %v, want it left to others", what, taken, err)
		}
	}
}

// FuzzEntry compares what is read from a message with what the BER library reads.
func FuzzEntry(f *testing.F) {
	f.Add(entryMessage("CN=x", "a", "1", "2", "", "b", "").Bytes())
	f.Add(entryMessage("").Bytes())
	f.Add(append([]byte{0x30, 0x84, 0, 0, 0, 9, 2, 1, 1, 0x64, 4}, 4, 0, 0x30, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkElement(b, 0) != nil || operationTag(b) != tagSearchEntry {
			return
		}
		e, err := newTap().decode(b)
		if err != nil {
			return
		}
		p, err := ber.DecodePacketErr(b)
		if err != nil {
			t.Fatalf("read as %v, but the library says %v", e, err)
		}
		op := p.Children[1]
		if e.DN != string(op.Children[0].ByteValue) || len(e.Attributes) != len(op.Children[1].Children) {
			t.Fatalf("read %q with %d attributes", e.DN, len(e.Attributes))
		}
		for i, a := range op.Children[1].Children {
			got := e.Attributes[i]
			if got.Name != string(a.Children[0].ByteValue) || len(got.ByteValues) != len(a.Children[1].Children) || len(got.Values) != len(got.ByteValues) {
				t.Fatalf("attribute %d is %q with %d values", i, got.Name, len(got.ByteValues))
			}
			for j, v := range a.Children[1].Children {
				if string(got.ByteValues[j]) != string(v.ByteValue) || got.Values[j] != string(v.ByteValue[:min(len(v.ByteValue), maxText)]) {
					t.Fatalf("value %d of %q is %q", j, got.Name, got.ByteValues[j])
				}
			}
		}
	})
}
