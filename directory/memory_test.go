package directory

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// farEnv makes the test binary a domain controller of its own process: the directory that it writes its files to.
const farEnv = "PHOTOPUSH_TEST_FAR_DOMAIN"

// readerEnv makes it a reader of a domain: URL of the controller, CA file and password file, a line each.
const readerEnv = "PHOTOPUSH_TEST_READER"

const (
	farUsers     = 10000
	farPhotoSize = 10000
)

// serveFar is the other process: a company whose photos are too many to be held by accident.
func serveFar(dir string) error {
	domain, err := simad.NewDomain("corp.example", simad.Options{})
	if err != nil {
		return err
	}
	photo := make([]byte, farPhotoSize)
	if _, err := domain.AddUser(simad.User{OU: "OU=Service,DC=corp,DC=example", Account: "svc-read", Password: readerPwd}); err != nil {
		return err
	}
	for i := range farUsers {
		u := simad.User{OU: staff, Account: fmt.Sprintf("u%05d", i), JPEGPhoto: [][]byte{photo}}
		if _, err := domain.AddUser(u); err != nil {
			return err
		}
	}
	t := &testing.B{}
	ca := newAuthority(t)
	dc, err := domain.Serve(simad.ControllerOptions{Certificate: ca.issue(t, "dc1.corp.example")})
	if err != nil {
		return err
	}
	defer dc.Close()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.pem, 0o600); err != nil {
		return err
	}
	fmt.Println(dc.URL("ldaps"), dc.DNSAddr())
	_, err = io.Copy(io.Discard, os.Stdin) // until the test ends
	return err
}

// farCompany starts the other process and returns a configuration for it.
func farCompany(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), farEnv+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	url, dns, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		t.Fatalf("the other process said %q", line)
	}
	cfg := goodConfig()
	cfg.Controllers, cfg.DNSServers, cfg.CAFile = []string{url}, []string{dns}, filepath.Join(dir, "ca.pem")
	cfg.BindUser, cfg.PasswordFile = reader, filepath.Join(dir, "password")
	must(t, os.WriteFile(cfg.PasswordFile, []byte(readerPwd), 0o600))
	return cfg
}

// readFar reads everybody and returns how much the heap grew at most, seen at every hundredth user, in bytes.
func readFar(t testing.TB, d *Directory) uint64 {
	t.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, peak, n := m.HeapAlloc, uint64(0), 0
	must(t, d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(_ photopush.User, photos []photopush.Photo) error {
		if n++; n%100 == 0 {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		if len(photos) != 1 || len(photos[0].Bytes) != farPhotoSize {
			t.Errorf("photos are %d", len(photos))
		}
		return nil
	}))
	if n != farUsers {
		t.Errorf("read %d users, want %d", n, farUsers)
	}
	return peak - min(before, peak)
}

// TestMemory reads 100 MB of photos; what is held at once stays a small part of it.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	growth := readFar(t, open(t, farCompany(t), Options{}))
	t.Logf("heap grew by %.1f MB at most while %d MB of photos were read", float64(growth)/1e6, farUsers*farPhotoSize/1000000)
	if growth > 16<<20 {
		t.Errorf("heap grew by %d bytes", growth)
	}
}

// BenchmarkUsers reads 10,000 users with photos of 10 KB from another process.
func BenchmarkUsers(b *testing.B) {
	d := open(b, farCompany(b), Options{})
	peak := uint64(0)
	for b.Loop() {
		peak = max(peak, readFar(b, d))
	}
	b.ReportMetric(float64(farUsers)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
	b.ReportMetric(float64(peak)/1e6, "MB-heap-growth")
}
