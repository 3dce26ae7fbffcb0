//go:build linux

package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/summary"
)

const (
	benchUsers = 10_000
	benchPage  = 500
)

// serveReader is the other process: it reads everybody with photos, and prints how many there were, the bytes of their photos, and how much its resident memory
// grew at most while it read.
func serveReader(where string) error {
	parts := strings.Split(where, "\n")
	cfg := sambaConfig(&sambalab.Domain{CAFile: parts[1], PasswordFile: parts[2]}, parts[0])
	cfg.PageSize, cfg.DNSServers = benchPage, nil
	d, err := New(cfg, Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	ctx := context.Background()
	if _, _, err := d.User(ctx, "u00001"); err != nil { // connected, with everything loaded that one read needs
		return err
	}
	before, err := peakRSS()
	if err != nil {
		return err
	}
	users, size := 0, 0
	err = d.Users(ctx, photopush.UserQuery{Photos: true}, func(_ photopush.User, photos []photopush.Photo) error {
		users++
		for _, p := range photos {
			size += len(p.Bytes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := peakRSS()
	fmt.Println(users, size, after-before)
	return err
}

var hwm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakRSS is the largest resident memory that this process has had, in bytes.
func peakRSS() (int, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	m := hwm.FindSubmatch(b)
	if m == nil {
		return 0, errors.New("/proc/self/status has no VmHWM")
	}
	n, err := strconv.Atoi(string(m[1]))
	return n << 10, err
}

// BenchmarkReadBesideLdapsearch reads 10,000 users with photos, from a process of its own, and lets ldapsearch read the same attributes in pages of the same
// size. The bar: no more CPU than ldapsearch, and 16 MB.
func BenchmarkReadBesideLdapsearch(b *testing.B) {
	if _, err := exec.LookPath("ldapsearch"); err != nil {
		b.Skip("ldapsearch is missing: scripts/test-deps installs it")
	}
	domain := sambalab.NewWith(b, sambalab.Options{Seed: sambalab.Seed{Users: benchUsers, Computers: benchUsers}})
	cfg := sambaConfig(domain, "ldaps://"+domain.IP)
	cfg.PageSize = benchPage
	var ours, theirs []time.Duration
	growth := 0
	for b.Loop() {
		for range 3 {
			cpu, grown := readInProcess(b, cfg)
			ours, growth = append(ours, cpu), max(growth, grown)
			theirs = append(theirs, ldapsearch(b, domain, cfg))
		}
	}
	a, z := slices.Min(ours), slices.Min(theirs)
	ratio := a.Seconds() / z.Seconds()
	b.ReportMetric(a.Seconds(), "CPU-s")
	b.ReportMetric(z.Seconds(), "ldapsearch-CPU-s")
	b.ReportMetric(ratio, "CPU/ldapsearch")
	b.ReportMetric(float64(growth)/1e6, "MB-RSS-growth")
	if ratio > 1 || growth > 16<<20 {
		b.Errorf("%.2f times the processor time of ldapsearch, and %d MB more resident memory, want at most 1 and 16", ratio, growth>>20)
	}
	summary.Line(b, "read 10,000 users with photos: %.2f × the processor time of ldapsearch for the same attributes (bar 1), resident memory grows by %.1f MB (bar 16)",
		ratio, float64(growth)/(1<<20))
	b.ReportMetric(0, "ns/op")
}

// readInProcess runs the other process.
func readInProcess(b *testing.B, cfg Config) (cpu time.Duration, growth int) {
	b.Helper()
	self, err := os.Executable()
	must(b, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), readerEnv+"="+strings.Join([]string{cfg.Controllers[0], cfg.CAFile, cfg.PasswordFile}, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(b, err)
	users, size := 0, 0
	if _, err := fmt.Sscan(string(out), &users, &size, &growth); err != nil || users != benchUsers || size < users*8000 {
		b.Fatalf("the other process says %q, %v", out, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), growth
}

func ldapsearch(b *testing.B, domain *sambalab.Domain, cfg Config) time.Duration {
	b.Helper()
	password, err := os.ReadFile(cfg.PasswordFile)
	must(b, err)
	file := b.TempDir() + "/password" // without the end of its line: ldapsearch takes that for a part of it
	must(b, os.WriteFile(file, []byte(strings.TrimSpace(string(password))), 0o600))
	s := userScope(cfg.Users)
	args := []string{"-LLL", "-o", "ldif_wrap=no", "-H", cfg.Controllers[0], "-D", cfg.BindUser, "-y", file, "-b", cfg.Users.Bases[0],
		"-E", fmt.Sprintf("pr=%d/noprompt", cfg.PageSize), s.and("")}
	cmd := exec.Command("ldapsearch", slices.Concat(args, userAttributes, []string{"jpegPhoto", "thumbnailPhoto"})...)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+domain.CAFile)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	n, err := io.Copy(io.Discard, out)
	must(b, err)
	must(b, cmd.Wait())
	if n < benchUsers*10_000 {
		b.Fatalf("ldapsearch wrote %d bytes", n)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
