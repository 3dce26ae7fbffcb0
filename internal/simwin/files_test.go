package simwin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFileErrors(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.WriteFile(`C:\d\file.txt`, []byte("x"))
	if err := m.MakeFolder(`C:\closed`, "O:SYD:P(A;OICI;FA;;;SY)"); err != nil {
		t.Fatal(err)
	}
	open := func(path string, mode disposition, access uint32) error {
		h, err := m.openFile(path, mode, access, shareRead)
		if err == nil {
			m.close(h)
		}
		return err
	}
	cases := map[string]struct {
		err  error
		want uint32
	}{
		"create over a file":        {open(`C:\D\FILE.TXT`, createNew, fileWriteData), fileExists},
		"create over a folder":      {open(`C:\d`, createNew, fileWriteData), fileExists},
		"open a missing file":       {open(`C:\d\missing`, openExisting, fileReadData), fileNotFound},
		"open in a missing folder":  {open(`C:\missing\x`, openExisting, fileReadData), pathNotFound},
		"create in a missing one":   {open(`C:\missing\x`, createNew, fileWriteData), pathNotFound},
		"open a folder":             {open(`C:\d`, openExisting, fileReadData), accessDenied},
		"create where it is closed": {open(`C:\closed\x`, createNew, fileWriteData), accessDenied},
		"a name with a star":        {open(`C:\d\*`, createNew, fileWriteData), invalidName},
		"a name that climbs":        {open(`C:\d\..\x`, createNew, fileWriteData), invalidName},
		"a stream":                  {open(`C:\d\file.txt:s`, createNew, fileWriteData), invalidName},
		"another drive":             {open(`D:\x`, createNew, fileWriteData), invalidName},
		"a share":                   {open(`\\host\x`, openExisting, fileReadData), invalidName},
		"delete a missing file":     {m.deleteFile(`C:\d\missing`), 0},
		"delete in a missing one":   {m.deleteFile(`C:\missing\x`), pathNotFound},
		"delete a folder":           {m.deleteFile(`C:\d`), accessDenied},
		"folder over a folder":      {m.createFolder(`C:\d`, SecurityDescriptor{}), 0},
		"folder over a file":        {m.createFolder(`C:\d\file.txt`, SecurityDescriptor{}), alreadyExists},
		"folder in a missing one":   {m.createFolder(`C:\missing\x`, SecurityDescriptor{}), pathNotFound},
		"folder where it is closed": {m.createFolder(`C:\closed\x`, SecurityDescriptor{}), accessDenied},
	}
	for name, c := range cases {
		if got := hresult(c.err); got != c.want {
			t.Errorf("%s: %#x (%v), want %#x", name, got, c.err, c.want)
		}
	}
	if _, err := m.list(`C:\closed`, false); hresult(err) != accessDenied {
		t.Errorf("list a closed folder: %v", err)
	}
	if _, err := m.pathSddl(`C:\closed`); hresult(err) != accessDenied {
		t.Errorf("read a closed descriptor: %v", err)
	}
}

func TestSharing(t *testing.T) {
	all := uint32(shareRead | shareWrite | shareDelete)
	cases := map[string]struct {
		access, share, wanted, offered uint32
		want                           uint32
	}{
		"two readers":                  {fileReadData, shareRead, fileReadData, shareRead, 0},
		"exclusive first":              {fileReadData, 0, fileReadData, all, sharingViolation},
		"exclusive second":             {fileReadData, all, fileReadData, 0, sharingViolation},
		"writer against reader":        {fileReadData, shareRead, fileWriteData, all, sharingViolation},
		"reader that lets write":       {fileReadData, all, fileWriteData, all, 0},
		"reader against open writer":   {fileWriteData, all, fileReadData, shareRead, sharingViolation},
		"deletion against reader":      {fileReadData, shareRead | shareWrite, rightDelete, all, sharingViolation},
		"deletion that was allowed":    {fileReadData, all, rightDelete, all, 0},
		"nothing wanted of each other": {0, 0, fileReadData, all, 0},
	}
	for name, c := range cases {
		m := NewMachine(MachineOptions{})
		m.WriteFile(`C:\f`, []byte("x"))
		h, err := m.openFile(`C:\f`, openExisting, c.access, c.share)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.openFile(`C:\f`, openExisting, c.wanted, c.offered); hresult(err) != c.want {
			t.Errorf("%s: %v, want %#x", name, err, c.want)
		}
		m.close(h)
		if _, err := m.openFile(`C:\f`, openExisting, fileReadData, all); err != nil && c.want != 0 {
			t.Errorf("%s: after it was closed: %v", name, err)
		}
	}
}

func TestDeleteOpenAndReadOnly(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.WriteFile(`C:\d\f`, []byte("x"))
	release := m.Hold(`C:\d\f`, false)
	if err := m.deleteFile(`C:\d\f`); hresult(err) != sharingViolation {
		t.Errorf("an open file: %v", err)
	}
	release()
	m.SetAttributes(`C:\d\f`, AttrReadOnly)
	if err := m.deleteFile(`C:\d\f`); hresult(err) != accessDenied {
		t.Errorf("a read-only file: %v", err)
	}
	m.SetAttributes(`C:\d\f`, 0)
	if err := m.SecurePath(`C:\d\f`, "O:SYD:P(A;;FR;;;BA)"); err != nil {
		t.Fatal(err)
	}
	if err := m.deleteFile(`C:\d\f`); err != nil {
		t.Errorf("a file whose folder lets its children be deleted: %v", err)
	}
}

func TestLinks(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.WriteFile(`C:\real\sub\f`, []byte("x"))
	m.MakeLink(`C:\link`, `C:\real`)
	m.MakeLink(`C:\loop`, `C:\loop`)
	if got, _ := m.ReadFile(`C:\LINK\sub\f`); string(got) != "x" {
		t.Errorf("read %q through a link", got)
	}
	if attrs, err := m.attributes(`C:\link`); err != nil || attrs != AttrDirectory|AttrReparsePoint {
		t.Errorf("attributes of a link %#x, %v", attrs, err)
	}
	if attrs, err := m.attributes(`C:\link\sub`); err != nil || attrs != AttrDirectory {
		t.Errorf("attributes behind a link %#x, %v", attrs, err)
	}
	if _, err := m.attributes(`C:\loop\x`); hresult(err) != pathNotFound {
		t.Errorf("a loop: %v", err)
	}
	h, err := m.openFile(`C:\link\new`, createNew, fileWriteData, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.close(h)
	if _, there := m.ReadFile(`C:\real\new`); !there {
		t.Error("a file that was made through a link is not where the link leads")
	}
	m.Remove(`C:\link`)
	if _, there := m.ReadFile(`C:\real\sub\f`); !there {
		t.Error("removing a link removed what it leads to")
	}
}

func TestSpace(t *testing.T) {
	m := NewMachine(MachineOptions{FreeBytes: 100})
	m.WriteFile(`C:\a`, make([]byte, 60))
	m.WriteFile(`C:\a`, make([]byte, 50))
	h, err := m.openFile(`C:\b`, createNew, fileWriteData, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.write(h, make([]byte, 51)); hresult(err) != diskFull || m.freeBytes() != 0 {
		t.Errorf("%v, %d bytes free", err, m.freeBytes())
	}
	m.close(h)
	if got, _ := m.ReadFile(`C:\b`); len(got) != 50 {
		t.Errorf("%d bytes were stored, want what fits", len(got))
	}
	m.Remove(`C:\a`)
	if err := m.deleteFile(`C:\b`); err != nil || m.freeBytes() != 100 {
		t.Errorf("%v, %d bytes free, want 100", err, m.freeBytes())
	}
}

func TestListing(t *testing.T) {
	m := NewMachine(MachineOptions{})
	for _, name := range []string{`b`, `A`, `c\x`} {
		m.WriteFile(`C:\d\`+name, nil)
	}
	files, _ := m.list(`C:\d`, false)
	folders, _ := m.list(`C:\d`, true)
	if diff := cmp.Diff([][]string{{"A", "b"}, {"c"}}, [][]string{files, folders}); diff != "" {
		t.Error(diff)
	}
	var paths []string
	for path := range m.Files(`c:\D\`) {
		paths = append(paths, strings.ToLower(path))
	}
	slices.Sort(paths)
	if diff := cmp.Diff([]string{`c:\d\a`, `c:\d\b`, `c:\d\c\x`}, paths); diff != "" {
		t.Error(diff)
	}
}
