package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// The test binary is its own other process: with this variable it does a child's work and ends.
const childVariable = "PHOTOPUSH_STORE_TEST_CHILD"

var children = map[string]func(path, argument string) error{
	"claim": childClaims, "hold": childHolds, "work": childWorks, "endless": childEndless,
}

func child() {
	work, ok := children[os.Getenv(childVariable)]
	if !ok {
		return
	}
	if err := work(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// start runs a child; what it prints on stderr is part of the error of its end.
func start(t *testing.T, work, path, argument string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], path, argument)
	c.Env = append(os.Environ(), childVariable+"="+work)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	ok(t, err)
	ok(t, c.Start())
	return c, bufio.NewReader(out)
}

func openChild(path string, o store.Options) (*store.Store, error) {
	return store.Open(context.Background(), store.Config{Path: path}, o)
}

// childClaims visits until nothing is due, and begins when another process has claimed something too. A visit is a file named after the workstation: that it can be made shows that nobody else is there.
func childClaims(path, dir string) error {
	s, err := openChild(path, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	met := false
	for {
		claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 2, Lease: time.Minute, MaxInFlight: 4})
		if err != nil {
			return err
		}
		if len(claims) == 0 {
			if _, due, _, err := s.NextDue(ctx); err != nil || due == 0 {
				return err
			}
			continue
		}
		if !met {
			if err := meet(path, 2); err != nil {
				return err
			}
			met = true
		}
		for _, c := range claims {
			if err := occupy(filepath.Join(dir, string(c.Workstation.ID))); err != nil {
				return fmt.Errorf("%s is visited already: %w", c.Workstation.Host, err)
			}
		}
		if now, err := os.ReadDir(dir); err != nil || len(now) > 4 {
			return fmt.Errorf("%d visits at once, want at most 4 (%v)", len(now), err)
		}
		for _, c := range claims {
			if err := os.Remove(filepath.Join(dir, string(c.Workstation.ID))); err != nil {
				return err
			}
			if err := s.Finish(ctx, photopush.Result{Claim: c}); err != nil {
				return err
			}
			fmt.Println(c.Workstation.ID)
		}
	}
}

// meet waits until so many processes are there, at most for a minute.
func meet(path string, n int) error {
	if err := occupy(fmt.Sprintf("%s-met-%d", path, os.Getpid())); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if there, err := filepath.Glob(path + "-met-*"); err != nil || len(there) >= n {
			return err
		}
		runtime.Gosched()
	}
	return errors.New("the other process does not come")
}

func occupy(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func TestTwoProcessesClaim(t *testing.T) {
	const workstations = 150
	path, dir := filepath.Join(t.TempDir(), "p.db"), t.TempDir()
	company(t, openAt(t, path, store.Options{}), workstations, 0)
	visits := map[string]int{}
	both := 0
	var commands []*exec.Cmd
	var outs []*bufio.Reader
	for range 2 {
		c, out := start(t, "claim", path, dir)
		commands, outs = append(commands, c), append(outs, out)
	}
	for i, out := range outs {
		n := 0
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			visits[strings.TrimSpace(line)]++
			n++
		}
		if err := commands[i].Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		if n > 0 {
			both++
		}
	}
	for w, n := range visits {
		if n != 1 {
			t.Errorf("%s was visited %d times", w, n)
		}
	}
	if len(visits) != workstations || both != 2 {
		t.Errorf("%d workstations visited by %d processes, want %d by 2", len(visits), both, workstations)
	}
}

var wrongPassword = photopush.Credential{Account: "svc", Mechanism: "basic", Mark: photopush.SecretMark{Size: 3}}

// childHolds claims and takes a permit, says so, and waits to be killed.
func childHolds(path, _ string) error {
	s, err := openChild(path, store.Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 5, Lease: time.Hour})
	if err != nil {
		return err
	}
	if _, err := s.Permit(ctx, wrongPassword, id(1)); err != nil {
		return err
	}
	fmt.Println(len(claims))
	select {}
}

func TestRescueAfterKill(t *testing.T) {
	for _, how := range []string{"lock free", "file missing"} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			s := openAt(t, path, store.Options{})
			ctx := t.Context()
			company(t, s, 6, 0)
			inventories(t, s)
			ours := ownerFiles(t, path)
			kill := holder(t, path)
			owned := slices.DeleteFunc(ownerFiles(t, path), func(f string) bool { return slices.Contains(ours, f) })
			if n, err := s.Rescue(ctx); n != 0 || err != nil {
				t.Fatalf("%d rescued from a living process (%v)", n, err)
			}
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			if _, err := s.Permit(short, wrongPassword, id(2)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the permit of a living process is taken: %v", err)
			}
			kill()
			if how == "file missing" {
				ok(t, os.Remove(owned[0]))
			}
			token, err := s.Permit(ctx, wrongPassword, id(2)) // at once, not in a minute
			ok(t, err)
			ok(t, s.Unused(ctx, wrongPassword, token))
			if n, err := s.Rescue(ctx); n != 5 || err != nil {
				t.Errorf("%d rescued, want 5 (%v)", n, err)
			}
			claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 10, Lease: time.Minute, MaxInFlight: 6})
			ok(t, err)
			trusted := 0
			for _, c := range claims {
				if c.Inventory != nil {
					trusted++
				}
			}
			if len(claims) != 6 || trusted != 1 {
				t.Errorf("%d claimed after the rescue and %d inventories trusted, want 6 and 1", len(claims), trusted)
			}
			for _, f := range ownerFiles(t, path) {
				if slices.Contains(owned, f) {
					t.Errorf("%s is still there", f)
				}
			}
			if n, err := s.Rescue(ctx); n != 0 || err != nil {
				t.Errorf("%d rescued from ourselves (%v)", n, err)
			}
		})
	}
}

// holder starts a process that holds five leases and a permit; kill ends it as kill -9 does.
func holder(t *testing.T, path string) (kill func()) {
	c, out := start(t, "hold", path, "")
	line, err := out.ReadString('\n')
	ok(t, err)
	if strings.TrimSpace(line) != "5" {
		t.Fatalf("the process holds %q", line)
	}
	return func() {
		ok(t, c.Process.Kill())
		if err := c.Wait(); err == nil {
			t.Error("the process was not killed")
		}
	}
}

func ownerFiles(t *testing.T, path string) []string {
	t.Helper()
	files, err := filepath.Glob(path + ".owner-*")
	ok(t, err)
	return files
}

func inventories(t *testing.T, s *store.Store) {
	t.Helper()
	claims, err := s.Claim(t.Context(), photopush.ClaimRequest{Limit: 1000, Lease: time.Minute})
	ok(t, err)
	for _, c := range claims {
		ok(t, s.Finish(t.Context(), photopush.Result{Claim: c, NextDue: time.Now().Add(-time.Hour),
			Outcome: photopush.Outcome{Contacted: true, Finished: time.Now(), Inventory: inventory(c.Workstation.ID)}}))
	}
}

// work is what a pass does to the store, for a small company. It may be begun again at any point.
func work(s *store.Store) error {
	ctx := context.Background()
	const domain, n = "corp.example", 4
	if _, err := s.Rescue(ctx); err != nil {
		return err
	}
	pass, err := s.BeginPass(ctx, domain)
	if err != nil {
		return err
	}
	var users []photopush.UserRecord
	var ws []photopush.Workstation
	for i := range n {
		users = append(users, photopush.UserRecord{User: photopush.User{SID: sid(i), Domain: domain, AccountName: fmt.Sprint("u", i), Enabled: true}, Digest: digest(i)})
		ws = append(ws, photopush.Workstation{ID: id(i), Domain: domain, Host: fmt.Sprint("ws", i), Enabled: true})
	}
	if err := errors.Join(s.PutUsers(ctx, pass, users), s.PutWorkstations(ctx, pass, ws)); err != nil {
		return err
	}
	if _, _, err = s.EndPass(ctx, domain, pass, photopush.Bookmark{}); err != nil {
		return err
	}
	for i := range n {
		if err := s.SetWants(ctx, []photopush.Pair{{Workstation: id(i), User: sid(i), Want: photopush.Want(digest(i))}}); err != nil {
			return err
		}
	}
	for {
		claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 1, Lease: time.Hour, MaxInFlight: 1})
		if err != nil || len(claims) == 0 {
			return err
		}
		if err := visit(s, claims[0]); err != nil {
			return err
		}
	}
}

func visit(s *store.Store, c photopush.Claim) error {
	ctx := context.Background()
	token, err := s.Permit(ctx, wrongPassword, c.Workstation.ID)
	if err != nil {
		return err
	}
	if err := s.Accepted(ctx, wrongPassword, token); err != nil {
		return err
	}
	pairs, err := s.PairsOf(ctx, c.Workstation.ID)
	if err != nil {
		return err
	}
	for i := range pairs {
		pairs[i].Original = []photopush.Value{{Name: "Image96", Kind: "sz", Data: "his"}}
	}
	if err := s.KeepOriginals(ctx, pairs); err != nil {
		return err
	}
	for i := range pairs {
		pairs[i].Have = pairs[i].Want.Digest()
	}
	inv := inventory(c.Workstation.ID)
	inv.Taken = epoch
	return s.Finish(ctx, photopush.Result{Claim: c, Outcome: photopush.Outcome{Contacted: true, Finished: epoch, Pairs: pairs, Inventory: inv},
		Sessions: []photopush.Session{{User: pairs[0].User, Source: "profile", FirstSeen: epoch, LastSeen: epoch}}})
}

var epoch = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// childWorks kills itself after the n-th commit; 0 is never.
func childWorks(path, argument string) error {
	n, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	commits := 0
	s, err := openChild(path, store.Options{Clock: func() time.Time { return epoch }, AfterCommit: func(at int) {
		if commits = at; at == n {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			panic(fmt.Sprint("still alive: ", err))
		}
	}})
	if err != nil {
		return err
	}
	if err := work(s); err != nil {
		return err
	}
	fmt.Println(commits)
	return s.Close()
}

// Killed after any commit, and begun again, it ends as if nothing had happened.
func TestKilledAfterEveryCommit(t *testing.T) {
	undisturbed := filepath.Join(t.TempDir(), "p.db")
	commits := runWork(t, undisturbed, 0)
	want := everything(t, undisturbed)
	for n := 1; n <= commits; n++ {
		path := filepath.Join(t.TempDir(), "p.db")
		if got := runWork(t, path, n); got != 0 {
			t.Fatalf("it was not killed after commit %d", n)
		}
		runWork(t, path, 0)
		intact(t, path)
		if diff := cmp.Diff(want, everything(t, path)); diff != "" {
			t.Errorf("killed after commit %d (-undisturbed +got):\n%s", n, diff)
		}
		if left := ownerFiles(t, path); len(left) > 0 {
			t.Errorf("killed after commit %d: %v is left", n, left)
		}
	}
	t.Logf("killed after each of %d commits", commits)
}

// runWork returns the number of commits; 0 when the process was killed.
func runWork(t *testing.T, path string, n int) int {
	t.Helper()
	c, out := start(t, "work", path, strconv.Itoa(n))
	line, _ := out.ReadString('\n')
	if err := c.Wait(); err != nil {
		if n == 0 || line != "" {
			t.Fatalf("the work failed: %v", err)
		}
		return 0
	}
	commits, err := strconv.Atoi(strings.TrimSpace(line))
	ok(t, err)
	return commits
}

// everything is what the database says, apart from numbers that mean nothing.
func everything(t *testing.T, path string) (all []string) {
	t.Helper()
	s := openAt(t, path, store.Options{})
	for st, err := range s.Statuses(t.Context()) {
		ok(t, err)
		all = append(all, fmt.Sprintf("%+v %+v %+v %s", *st.Workstation, *st.User, st.Pair, st.LastSeen))
		pairs, err := s.PairsOf(t.Context(), st.Workstation.ID)
		ok(t, err)
		inv, usable, err := s.Inventory(t.Context(), st.Workstation.ID)
		ok(t, err)
		all = append(all, fmt.Sprintf("%+v", pairs), inv.MachineGUID, fmt.Sprint(usable))
	}
	return all
}

func intact(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	ok(t, err)
	defer db.Close()
	var integrity string
	ok(t, db.QueryRow("PRAGMA integrity_check").Scan(&integrity))
	var broken int
	ok(t, db.QueryRow("SELECT count(*) FROM pragma_foreign_key_check").Scan(&broken))
	if integrity != "ok" || broken != 0 {
		t.Errorf("integrity %s, %d broken references", integrity, broken)
	}
}

func childEndless(path, _ string) error {
	s, err := openChild(path, store.Options{})
	if err != nil {
		return err
	}
	fmt.Println("begun")
	for n := 0; ; n++ {
		if err := s.SetVerify(context.Background(), nil); err != nil {
			return err
		}
		claims, err := s.Claim(context.Background(), photopush.ClaimRequest{Limit: 100, Lease: time.Nanosecond})
		if err != nil {
			return err
		}
		var results []photopush.Result
		for _, c := range claims {
			results = append(results, photopush.Result{Claim: c, Outcome: photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{{User: sid(n), Want: "a", Have: "a"}}}})
		}
		if _, err := s.FinishAll(context.Background(), results); err != nil {
			return err
		}
	}
}

// Killed in the middle of whatever it does, the database is whole.
func TestKilledAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	company(t, openAt(t, path, store.Options{}), 200, 0)
	for range 8 {
		c, out := start(t, "endless", path, "")
		_, err := out.ReadString('\n')
		ok(t, err)
		wait := time.NewTimer(rand.N(60 * time.Millisecond)) // any moment will do
		<-wait.C
		ok(t, c.Process.Kill())
		if err := c.Wait(); err == nil {
			t.Error("the process was not killed")
		}
		intact(t, path)
	}
}
