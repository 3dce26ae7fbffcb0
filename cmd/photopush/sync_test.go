package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
)

func TestSecondPassWritesNothing(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 20, Workstations: 10, Piecemeal: true})
	must(t, c, "sync")
	if n := judge(t, c); n != 18 {
		t.Errorf("%d pairs are in step, want 18", n)
	}
	before, visits := snapshots(c), c.Figures().Visits
	must(t, c, "sync")
	if after := c.Figures(); after.Visits != visits {
		t.Errorf("%d visits in a pass in which nothing had changed", after.Visits-visits)
	}
	for host, s := range snapshots(c) {
		if !s.Equal(before[host]) {
			t.Errorf("%s: %v", host, before[host].Diff(s))
		}
	}
}

func TestVerifyMendsWhatWasTamperedWithAndNothingElse(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 100, Workstations: 50, Plain: true, Piecemeal: true})
	must(t, c, "sync")
	before := writes(c)
	r := must(t, c, "sync", "--verify", "--format", "json")
	var result syncResult
	if err := json.Unmarshal([]byte(r.stdout), &result); err != nil {
		t.Fatal(err)
	}
	if result.Visited != 50 || result.Pushed != 0 {
		t.Errorf("%d visited, %d pushed, want 50 and 0", result.Visited, result.Pushed)
	}
	if n := writes(c) - before; n != 0 {
		t.Errorf("%d writes on workstations in step", n)
	}
	state := snapshots(c)

	value, file := c.Workstations[3], c.Workstations[17]
	sid := value.Users[0].SID
	value.Machine.SetValue(`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\`+string(sid), "Image448", simwin.StringValue(`\\evil\share\x.jpg`))
	folder := `C:\Program Files\photopush\AccountPictures\` + string(file.Users[0].SID)
	for path := range file.Machine.Files(folder) {
		file.Machine.WriteFile(path, []byte("\xff\xd8 no picture"))
		break
	}
	must(t, c, "sync", "--verify")
	judge(t, c)
	for host, s := range snapshots(c) {
		if diff := state[host].Diff(s); host != file.Host && len(diff) > 0 {
			t.Errorf("%s differs: %v", host, diff)
		}
	}
	if n := file.Machine.Counters().Writes(); n == 0 {
		t.Error("the file was not mended")
	}
	again := writes(c)
	must(t, c, "sync", "--verify")
	if n := writes(c) - again; n != 0 {
		t.Errorf("%d writes after all was mended", n)
	}
}

func TestWrongPasswordIsTriedTwice(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 50, Workstations: 50, Plain: true, WorkPassword: "not it"})
	r := here(t, c, "sync")
	if r.code != exitCredential || !strings.Contains(r.stderr, "svc-push") {
		t.Errorf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
	if lines := strings.Count(r.stderr, "\n"); lines > 3 {
		t.Errorf("%d lines, want a clear one:\n%s", lines, r.stderr)
	}
	if n := c.Figures().FailedLogons; n > 2 || n < 1 {
		t.Errorf("%d attempts, want at most 2", n)
	}
	n := c.Figures().FailedLogons
	for _, args := range [][]string{{"sync"}, {"push", "u1001", "-w", "ws0001"}, {"check", "ws0003"}} {
		if r := here(t, c, args...); r.code != exitCredential {
			t.Errorf("%v: exit code %d, stderr:\n%s", args, r.code, r.stderr)
		}
		if again := c.Figures().FailedLogons; again != n {
			t.Errorf("%v tried again %d times", args, again-n)
		}
	}
	if err := c.SetWorkPassword(""); err != nil {
		t.Fatal(err)
	}
	must(t, c, "sync")
	if n := judge(t, c); n != 60 {
		t.Errorf("%d pairs are in step after the password was corrected, want 60", n)
	}
}

func TestServersAreLeftAloneUnlessIncluded(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 2, Workstations: 2, Plain: true})
	w := c.Workstations[1] // its object says Windows 11, the machine knows better
	w.Machine.SetValue(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "InstallationType", simwin.StringValue("Server"))
	r := must(t, c, "sync")
	if !strings.Contains(r.stdout, "Left alone: out_of_scope") {
		t.Errorf("sync says %s", r.stdout)
	}
	if n := w.Machine.Counters().Writes(); n != 0 {
		t.Errorf("%d writes on a server that is not included", n)
	}
}

// TestSitesOfWorkstations: with a limit for each site, the site of a workstation follows from its address.
func TestSitesOfWorkstations(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 4, Workstations: 4, Plain: true})
	ip, ok := addressOf(c, 1)
	if !ok {
		t.Fatal("a workstation has no address")
	}
	for site, subnet := range map[string]netip.Prefix{"Hub": netip.PrefixFrom(ip, 8).Masked(), "Branch": netip.PrefixFrom(ip, 32)} {
		if err := c.Domain.AddSite(site, subnet); err != nil {
			t.Fatal(err)
		}
	}
	sites := func() map[string]int {
		count := map[string]int{}
		for _, s := range statuses(t, openStore(t, c)) {
			if s.Workstation != nil && s.User != nil {
				count[s.Workstation.Site]++
			}
		}
		return count
	}
	must(t, c, "sync")
	if got := sites(); got[""] == 0 || len(got) != 1 {
		t.Errorf("without a limit the sites are %v", got)
	}
	configured, err := os.ReadFile(c.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.ConfigFile, bytes.Replace(configured, []byte("  visits: 16\n"), []byte("  visits: 16\n  visits_per_site: 2\n"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, c, "sync", "--verify")
	if got := sites(); got["Branch"] == 0 || got["Hub"] == 0 || got[""] != 0 {
		t.Errorf("the sites are %v", got)
	}
}

func addressOf(c *lab.Company, i int) (netip.Addr, bool) {
	addr, err := netip.ParseAddrPort(c.Workstations[i].Server.Addr())
	return addr.Addr(), err == nil
}
