//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/doctor"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/internal/winelab"
)

// Where Windows has what the program reads and writes.
const (
	pictureKey     = `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users`
	profileKey     = `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`
	ourPictures    = `C:\Program Files\photopush\AccountPictures`
	windowsPicture = `C:\Users\Public\AccountPictures`
)

// baseUser has a profile and a picture on every workstation of winelab. No directory knows him.
const baseUser photopush.SID = "S-1-5-21-1004336348-1177238915-682003330-1001"

// A wineCompany is a company of which every workstation runs the real PowerShell engine, with a registry and a drive of its own.
type wineCompany struct {
	*lab.Company
	wines   map[*lab.Workstation]*winelab.Workstation
	running sync.WaitGroup // the engines' processes
}

// A tracked engine counts its processes as running until they have ended.
type tracked struct {
	simwin.Engine
	running *sync.WaitGroup
}

func (e tracked) Run(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	e.running.Add(1)
	defer e.running.Done()
	return e.Engine.Run(ctx, line, stdin, stdout, stderr)
}

// newWineCompany has three people on two workstations, the first of them on both, with a picture of his own choice on the first.
func newWineCompany(t *testing.T) *wineCompany {
	c := &wineCompany{wines: map[*lab.Workstation]*winelab.Workstation{}}
	machines := []*winelab.Workstation{winelab.New(t), winelab.New(t)}
	c.Company = newCompany(t, lab.Options{Users: 3, Workstations: len(machines), Plain: true, Engine: func(w *lab.Workstation) simwin.Engine {
		m := machines[len(c.wines)]
		c.wines[w] = m
		return tracked{simwin.Exec{Path: m.Powershell(), Env: m.Environ()}, &c.running}
	}})
	for i, w := range c.Workstations {
		reg := profiles(w.Users)
		c.choose(t, w, baseUser, 1)
		if i == 0 {
			reg += c.choose(t, w, w.Users[0].SID, 2)
		}
		c.wines[w].Import(t, reg)
	}
	return c
}

// profiles are people's profiles as a .reg file, used yesterday.
func profiles(people []*lab.Person) string {
	const between = 116_444_736_000_000_000 // from the beginning of FILETIME to that of Unix time, in units of 100 ns
	used := uint64(time.Now().Add(-24*time.Hour).UnixNano()/100 + between)
	var b strings.Builder
	for _, p := range people {
		fmt.Fprintf(&b, "[%s\\%s]\n\"State\"=dword:00000000\n\"LocalProfileLoadTimeHigh\"=dword:%08x\n\"LocalProfileLoadTimeLow\"=dword:%08x\n\n",
			profileKey, p.SID, used>>32, uint32(used))
	}
	return b.String()
}

// choose puts picture files where Windows puts those that a user has chosen himself, and gives the values that name them as a .reg file.
func (c *wineCompany) choose(t *testing.T, w *lab.Workstation, sid photopush.SID, guid int) string {
	t.Helper()
	reg := fmt.Sprintf("[%s\\%s]\n", pictureKey, sid)
	for _, size := range []int{96, 448} {
		path := chosen(sid, guid, size)
		host := c.wines[w].HostPath(path)
		if err := os.MkdirAll(filepath.Dir(host), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(host, badge.JPEG(9999, size, size, 85), 0o644); err != nil {
			t.Fatal(err)
		}
		reg += fmt.Sprintf("\"Image%d\"=\"%s\"\n", size, strings.ReplaceAll(path, `\`, `\\`))
	}
	return reg
}

func chosen(sid photopush.SID, guid, size int) string {
	return fmt.Sprintf(`%s\%s\{0E2F5B9C-0000-4A7B-8000-%012d}-Image%d.jpg`, windowsPicture, sid, guid, size)
}

// read takes what reg.exe says of every workstation, and the pictures on its drive, for what the company's workstations have: whoever
// judges them afterwards judges what is there.
func (c *wineCompany) read(t *testing.T) {
	t.Helper()
	for w, wine := range c.wines {
		w.Machine = simwin.NewMachine(simwin.MachineOptions{})
		for key, values := range wine.Keys(t, pictureKey) {
			key = strings.Replace(key, "HKEY_LOCAL_MACHINE", "HKLM", 1)
			w.Machine.CreateKey(key)
			for name, v := range values {
				if v.Type != "REG_SZ" {
					t.Errorf("%s %s %s is of type %s", w.Host, key, name, v.Type)
				}
				w.Machine.SetValue(key, name, simwin.StringValue(v.Data))
			}
		}
		for path, f := range pictureFiles(t, wine) {
			w.Machine.WriteFile(path, f.data)
		}
	}
}

// A diskFile is a file of a workstation's drive.
type diskFile struct {
	data    []byte
	written time.Time
}

// pictureFiles are all files in the folders of Windows' pictures and of ours, by their path on the workstation.
func pictureFiles(t *testing.T, wine *winelab.Workstation) map[string]diskFile {
	t.Helper()
	files := map[string]diskFile{}
	for _, folder := range []string{ourPictures, windowsPicture} {
		root := wine.HostPath(folder)
		err := filepath.WalkDir(root, func(host string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(host)
			files[folder+strings.ReplaceAll(strings.TrimPrefix(host, root), "/", `\`)] = diskFile{data, info.ModTime()}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return files
}

// state is everything of the pictures on a workstation, a line each: what reg.exe prints, and every file with the time it was written.
func (c *wineCompany) state(t *testing.T, w *lab.Workstation) []string {
	t.Helper()
	var lines []string
	for key, values := range c.wines[w].Keys(t, pictureKey) {
		lines = append(lines, key)
		for name, v := range values {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", key, name, v.Type, v.Data))
		}
	}
	for path, f := range pictureFiles(t, c.wines[w]) {
		lines = append(lines, fmt.Sprintf("%s %d bytes %x written %s", path, len(f.data), sha256.Sum256(f.data), f.written))
	}
	slices.Sort(lines)
	return lines
}

func (c *wineCompany) states(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, w := range c.Workstations {
		all[w.Host] = c.state(t, w)
	}
	return all
}

// judge fails the test unless every workstation shows everybody's right picture, as it is stored.
func (c *wineCompany) judge(t *testing.T) {
	t.Helper()
	c.read(t)
	if n := judge(t, c.Company); n != 4 {
		t.Errorf("%d pairs are in step, want 4", n)
	}
}

// find is the workstation of that short name, and person the one of that account.
func (c *wineCompany) find(name string) *lab.Workstation {
	return c.Workstations[slices.IndexFunc(c.Workstations, func(w *lab.Workstation) bool { return w.Host == name+"."+lab.DomainName })]
}

func (c *wineCompany) person(account string) *lab.Person {
	return c.People[slices.IndexFunc(c.People, func(p *lab.Person) bool { return p.Account == account })]
}

// TestWine runs the program through WinRM against the real PowerShell engine and a real registry, and looks at what reg.exe and the
// disk say.
func TestWine(t *testing.T) {
	c := newWineCompany(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"check before anything was pushed", c.testCheck},
		{"sync", c.testSync},
		{"push", c.testPush},
		{"check", c.testCheck},
		{"verify writes nothing", c.testVerify},
		{"verify mends what was tampered with", c.testMend},
		{"connections lost", c.testLost},
	} {
		if !t.Run(step.name, step.run) {
			t.FailNow() // each begins where the one before ended
		}
	}
	processes := 0
	for _, w := range c.Workstations {
		processes += w.Server.Stats().Processes
	}
	summary.Line(t, "real PowerShell and registry: check, sync, push, verify, mend and 2 lost connections in %d runs of the engine, read back by reg.exe and from disk", processes)
}

// testCheck: all is well with the real engine, and nothing of the pictures changes.
func (c *wineCompany) testCheck(t *testing.T) {
	before := c.states(t)
	for _, w := range c.Workstations {
		r := mustBuilt(t, c.ConfigFile, "check", w.Host)
		for _, step := range []string{doctor.Language, doctor.System, doctor.Policy, doctor.Rights, doctor.Path} {
			if !regexp.MustCompile(`(?m)^` + step + ` +ok `).MatchString(r.stdout) {
				t.Errorf("%s is not ok:\n%s", step, r.stdout)
			}
		}
	}
	if diff := cmp.Diff(before, c.states(t)); diff != "" {
		t.Errorf("a check has changed something:\n%s", diff)
	}
}

func (c *wineCompany) testSync(t *testing.T) {
	r := mustBuilt(t, c.ConfigFile, "sync")
	if want := "2 workstations visited: 4 pictures pushed, 0 in step already.\n"; r.stdout != want {
		t.Errorf("sync prints %q, want %q", r.stdout, want)
	}
	c.judge(t)
	c.testOriginals(t)
	for w, wine := range c.wines {
		if got, want := wine.Keys(t, pictureKey)[pictureKey+`\`+string(baseUser)], chosenValues(baseUser, 1); !maps.Equal(got, want) {
			t.Errorf("%s: the picture of somebody whom no directory knows is now %v", w.Host, got)
		}
	}
}

// testOriginals: what people had before our first write is kept, also that they had nothing.
func (c *wineCompany) testOriginals(t *testing.T) {
	st := openStore(t, c.Company)
	for i, w := range c.Workstations {
		pairs, err := st.PairsOf(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pairs {
			want := []photopush.Value{}
			if i == 0 && p.User == w.Users[0].SID {
				want = []photopush.Value{{Name: "Image96", Kind: "sz", Data: chosen(p.User, 2, 96)}, {Name: "Image448", Kind: "sz", Data: chosen(p.User, 2, 448)}}
			}
			if diff := cmp.Diff(want, p.Original); diff != "" {
				t.Errorf("what %s had on %s before is stored wrong:\n%s", p.User, w.Host, diff)
			}
		}
	}
}

func chosenValues(sid photopush.SID, guid int) map[string]winelab.RegistryValue {
	return map[string]winelab.RegistryValue{
		"Image96": {Type: "REG_SZ", Data: chosen(sid, guid, 96)}, "Image448": {Type: "REG_SZ", Data: chosen(sid, guid, 448)},
	}
}

func (c *wineCompany) testPush(t *testing.T) {
	p := c.person("u1001")
	before := c.states(t)
	if err := c.NewPhoto(p, 5001); err != nil {
		t.Fatal(err)
	}
	r := mustBuilt(t, c.ConfigFile, "push", "u1001")
	lines := slices.Sorted(strings.Lines(r.stdout))
	want := []string{"u1001: ws0001.corp.example: applied, shows at next sign-in\n", "u1001: ws0002.corp.example: applied, shows at next sign-in\n"}
	if !slices.Equal(lines, want) {
		t.Errorf("push prints %q, want %q", lines, want)
	}
	c.judge(t)
	for host, after := range c.states(t) {
		for _, line := range before[host] {
			ours := strings.HasPrefix(line, ourPictures+`\`+string(p.SID)) || strings.HasPrefix(line, pictureKey+`\`+string(p.SID)+" ")
			if slices.Contains(after, line) == ours {
				t.Errorf("%s: changed by a push of %s, or left by it: %s", host, p.SID, line)
			}
		}
	}
}

func (c *wineCompany) testVerify(t *testing.T) {
	before := c.states(t)
	if r := c.verify(t); r.Visited != 2 || r.InStep != 4 || r.Pushed != 0 {
		t.Errorf("sync --verify where all is well: %+v", r)
	}
	if diff := cmp.Diff(before, c.states(t)); diff != "" {
		t.Errorf("sync --verify wrote where all is well:\n%s", diff)
	}
}

// verify looks at every workstation, and tells what the pass did.
func (c *wineCompany) verify(t *testing.T) (r syncResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(mustBuilt(t, c.ConfigFile, "sync", "--verify", "--format", "json").stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// testMend damages one value on the first workstation and one file on the second.
func (c *wineCompany) testMend(t *testing.T) {
	value, file := c.find("ws0001"), c.find("ws0002")
	valueUser, fileUser := c.person("u1003").SID, c.person("u1002").SID
	before := c.states(t)
	c.wines[value].Import(t, fmt.Sprintf("[%s\\%s]\n\"Image208\"=\"\\\\\\\\evil\\\\share\\\\x.jpg\"\n", pictureKey, valueUser))
	victim := ""
	for path := range pictureFiles(t, c.wines[file]) {
		if strings.HasPrefix(path, ourPictures+`\`+string(fileUser)) && strings.HasSuffix(path, "-Image32.jpg") {
			victim = path
		}
	}
	if err := os.WriteFile(c.wines[file].HostPath(victim), []byte("\xff\xd8 no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c.read(t); len(c.Judge().Broken) != 2 {
		t.Errorf("damaged are %v, want a value and a file", c.Judge().Broken)
	}
	if r := c.verify(t); r.Visited != 2 || r.InStep != 2 || r.Pushed != 2 {
		t.Errorf("sync --verify where two are damaged: %+v", r)
	}
	c.judge(t)
	after := c.states(t)
	if diff := cmp.Diff(before[value.Host], after[value.Host]); diff != "" {
		t.Errorf("%s, where a value was damaged, is not as it was:\n%s", value.Host, diff)
	}
	isMended := func(line string) bool {
		return strings.HasPrefix(line, pictureKey+`\`+string(fileUser)+" Image32 ") || strings.HasPrefix(line, ourPictures+`\`+string(fileUser)) && strings.Contains(line, "-Image32.jpg")
	}
	if diff := cmp.Diff(slices.DeleteFunc(before[file.Host], isMended), slices.DeleteFunc(after[file.Host], isMended)); diff != "" {
		t.Errorf("on %s more than the damaged picture was changed:\n%s", file.Host, diff)
	}
}

// testLost cuts the connections of a push once each workstation has the whole input, and at every question after that. The first can be
// told to end the shell, and its run with it; on the second the run goes on to its end with nobody listening.
func (c *wineCompany) testLost(t *testing.T) {
	ended, goesOn := c.find("ws0001"), c.find("ws0002")
	lost := []simwin.Fault{{Mode: simwin.LoseAfter, Action: "Send", Times: 1}, {Mode: simwin.LoseBefore, Action: "Receive"}}
	c.disturb(t, ended, "u1003", lost)
	c.disturb(t, goesOn, "u1002", append(lost, simwin.Fault{Mode: simwin.LoseBefore, Action: "Delete"}))
	r := built(t, c.ConfigFile, "sync", "--format", "json")
	var result syncResult
	if err := json.Unmarshal([]byte(r.stdout), &result); err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	if want := map[photopush.Reason]int{photopush.Unknown: 2}; r.code != 0 || result.Pushed != 0 || !maps.Equal(result.Failed, want) {
		t.Errorf("exit code %d, %+v, want 0 and two failed as unknown\n%s", r.code, result, r.stderr)
	}
	c.running.Wait()
	c.read(t)
	intact(t, c.Company)
	if p := c.person("u1002"); shownNumber(goesOn, p) != p.Number {
		t.Errorf("%s has done what it was told, and shows %d, want %d", goesOn.Host, shownNumber(goesOn, p), p.Number)
	}
	before := c.state(t, goesOn)
	for _, w := range c.Workstations {
		if err := w.Server.SetFault(); err != nil {
			t.Fatal(err)
		}
	}
	c.verify(t)
	c.judge(t)
	if diff := cmp.Diff(before, c.state(t, goesOn)); diff != "" {
		t.Errorf("%s: what was there already was written again:\n%s", goesOn.Host, diff)
	}
}

// disturb gives a person of the workstation a new photo, and the workstation faults.
func (c *wineCompany) disturb(t *testing.T, w *lab.Workstation, account string, faults []simwin.Fault) {
	t.Helper()
	p := c.person(account)
	if err := c.NewPhoto(p, p.Number+5000); err != nil {
		t.Fatal(err)
	}
	if err := w.Server.SetFault(faults...); err != nil {
		t.Fatal(err)
	}
}

// shownNumber is what the picture of a person shows on a workstation, as read last; 0 where it cannot be read.
func shownNumber(w *lab.Workstation, p *lab.Person) uint32 {
	s, _ := w.Machine.Check(func(photopush.SID) (uint32, bool) { return 0, false }).Shown(p.SID)
	return s.Number
}
