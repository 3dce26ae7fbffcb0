package simwin

import (
	"testing"
	"time"
)

func TestDeleteFolder(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.WriteFile(`C:\d\full\f`, nil)
	m.MakeLink(`C:\d\link`, `C:\d\full`)
	if err := m.MakeFolder(`C:\d\empty`, ""); err != nil {
		t.Fatal(err)
	}
	if err := m.MakeFolder(`C:\closed\in`, "O:SYD:P(A;;FA;;;SY)"); err != nil {
		t.Fatal(err)
	}
	if err := m.SecurePath(`C:\closed`, "O:SYD:P(A;;0x1200a9;;;BA)"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{
		`C:\d\full`: folderNotEmpty, `C:\d\full\f`: notAFolder, `C:\d\missing`: pathNotFound, `C:\missing\x`: pathNotFound,
		`C:\d\link`: 0, `C:\d\empty`: 0, `C:\closed\in`: accessDenied,
	} {
		if err := m.deleteFolder(path); hresult(err) != want {
			t.Errorf("%s: %v, want %#x", path, err, want)
		}
	}
	if _, there := m.ReadFile(`C:\d\full\f`); !there || m.Counters().FoldersDeleted != 2 {
		t.Errorf("the file behind the link is there: %v; counted %+v", there, m.Counters())
	}
}

func TestMoveAndReplace(t *testing.T) {
	type step struct {
		what     string
		from, to string
		want     uint32
	}
	for _, s := range []step{
		{"move", `C:\d\a`, `C:\d\new`, 0},
		{"move", `C:\d\a`, `C:\d\A`, 0}, // another spelling
		{"move", `C:\d\a`, `C:\d\b`, alreadyExists},
		{"move", `C:\d\missing`, `C:\d\new`, fileNotFound},
		{"move", `C:\d`, `C:\e`, fileNotFound},
		{"move", `C:\d\a`, `C:\missing\a`, pathNotFound},
		{"move", `C:\d\a`, `C:\closed\a`, accessDenied},
		{"move", `C:\closed\c`, `C:\d\c`, accessDenied},
		{"move", `C:\d\held`, `C:\d\new`, sharingViolation},
		{"folder", `C:\d`, `C:\e`, accessDenied}, // something in it is open
		{"folder", `C:\still`, `C:\e`, 0},
		{"folder", `C:\still`, `C:\still\in\x`, sharingViolation},
		{"folder", `C:\still`, `C:\d`, alreadyExists},
		{"folder", `C:\missing`, `C:\e`, pathNotFound},
		{"replace", `C:\d\a`, `C:\d\b`, 0},
		{"replace", `C:\d\a`, `C:\d\missing`, fileNotFound},
		{"replace", `C:\d\missing`, `C:\d\b`, fileNotFound},
		{"replace", `C:\d\a`, `C:\closed\c`, accessDenied},
		{"replace", `C:\d\a`, `C:\d\held`, sharingViolation},
		{"replace", `C:\d\held`, `C:\d\a`, sharingViolation},
		{"replace", `C:\d\a`, `C:\d\a`, sharingViolation},
	} {
		t.Run(s.what+" "+s.from+" "+s.to, func(t *testing.T) {
			m := NewMachine(MachineOptions{FreeBytes: 1000})
			for _, name := range []string{`d\a`, `d\b`, `d\held`, `closed\c`, `still\in\f`} {
				m.WriteFile(`C:\`+name, []byte(name))
			}
			if err := m.SecurePath(`C:\d\b`, "O:SYD:P(A;;FA;;;SY)(A;;FR;;;BA)"); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{`C:\closed`, `C:\closed\c`} {
				if err := m.SecurePath(path, "O:SYD:P(A;;0x1200a9;;;BA)"); err != nil {
					t.Fatal(err)
				}
			}
			defer m.Hold(`C:\d\held`, false)()
			free, content := m.freeBytes(), []byte(nil)
			content, _ = m.ReadFile(s.from)
			do := map[string]func(from, to string) error{"move": m.moveFile, "folder": m.moveFolder, "replace": m.replaceFile}[s.what]
			if err := do(s.from, s.to); hresult(err) != s.want {
				t.Fatalf("%v, want %#x", err, s.want)
			}
			if s.want != 0 || s.what == "folder" {
				return
			}
			if got, _ := m.ReadFile(s.to); string(got) != string(content) {
				t.Errorf("read %q there", got)
			}
			if _, there := m.ReadFile(s.from); there && fold(s.from) != fold(s.to) {
				t.Error("it is still where it was")
			}
			sd, _ := m.PathSecurity(s.to)
			if s.what == "replace" && (sd.Owner != sidAdministrators || len(sd.DACL) != 2 || m.freeBytes() != free+3) {
				t.Errorf("it is %s, %d bytes are free", sd, m.freeBytes())
			}
			if m.Counters().FileMoves != 1 {
				t.Errorf("counted %+v", m.Counters())
			}
		})
	}
}

func TestQuota(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetQuota(10)
	write := func(path string, n int) error {
		h, err := m.openFile(path, createNew, fileWriteData, 0)
		if err != nil {
			return err
		}
		defer m.close(h)
		return m.write(h, make([]byte, n))
	}
	if err := write(`C:\a`, 6); err != nil {
		t.Error(err)
	}
	if err := write(`C:\b`, 6); hresult(err) != quotaExceeded {
		t.Errorf("%v, want the quota exceeded", err)
	}
	if err := m.deleteFile(`C:\a`); err != nil {
		t.Error(err)
	}
	if err := write(`C:\c`, 10); err != nil {
		t.Error(err)
	}
	m.SetQuota(-1)
	if err := write(`C:\d`, 1000); err != nil {
		t.Error(err)
	}
}

func TestLastWriteTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	m := NewMachine(MachineOptions{Now: func() time.Time { return now }})
	m.WriteFile(`C:\f`, []byte("x"))
	if got := m.lastWriteTime(`C:\F`); !got.Equal(now) {
		t.Errorf("written at %v", got)
	}
	written := now
	now = now.Add(time.Hour)
	if err := m.moveFile(`C:\f`, `C:\g`); err != nil || !m.lastWriteTime(`C:\g`).Equal(written) {
		t.Errorf("moved: %v, written at %v", err, m.lastWriteTime(`C:\g`))
	}
	h, err := m.openFile(`C:\g`, openExisting, fileWriteData, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.write(h, []byte("y")); err != nil || !m.lastWriteTime(`C:\g`).Equal(now) {
		t.Errorf("%v, written at %v", err, m.lastWriteTime(`C:\g`))
	}
	m.SetModified(`C:\g`, written)
	if got := m.lastWriteTime(`C:\g`); !got.Equal(written) || !m.lastWriteTime(`C:\none`).Equal(noTime) {
		t.Errorf("written at %v and %v", got, m.lastWriteTime(`C:\none`))
	}
}
