package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

var credential = photopush.Credential{Account: `CORP\svc-push`, Mechanism: "basic", Mark: photopush.SecretMark{ModTime: start.Add(-time.Hour), Size: 12}}

func (s *suite) permit(n int) string {
	s.Helper()
	token, err := s.Permit(s.ctx, credential, id(n))
	s.ok(err)
	return token
}

// refused wants Permit to say at once that the credential must not be tried.
func (s *suite) refused(c photopush.Credential, n int, detail string) *photopush.CredentialStop {
	s.Helper()
	_, err := s.Permit(s.ctx, c, id(n))
	stop, isStop := errors.AsType[*photopush.CredentialStop](err)
	if !isStop || photopush.ReasonOf(err) != photopush.Auth {
		s.Fatalf("error %v, want a credential stop", err)
	}
	s.same("detail", stop.Detail, detail)
	return stop
}

func twoRejectionsStop(s *suite) {
	stop, err := s.Rejected(s.ctx, credential, s.permit(1), id(1), "ws1: 401")
	s.ok(err)
	if stop != nil {
		s.Errorf("stopped by one workstation: %v", stop)
	}
	s.wait(time.Minute)
	stop, err = s.Rejected(s.ctx, credential, s.permit(2), id(2), "ws2: 401\n")
	s.ok(err)
	since := s.now()
	s.same("stop", stop, &photopush.CredentialStop{Credential: credential, Since: since, Detail: "ws2: 401 "})
	s.wait(time.Hour)
	same := credential
	same.Account = `corp\SVC-push`
	for _, c := range []photopush.Credential{credential, same} {
		s.same("since", s.refused(c, 3, "ws2: 401 ").Since, since)
	}
	got, err := s.another().Stopped(s.ctx, credential)
	s.ok(err)
	s.same("stopped", got, stop)
	stop, err = s.Rejected(s.ctx, credential, "", id(4), "ws4: 401") // it was in flight still
	s.ok(err)
	s.same("the first stop counts", stop.Since, since)
	other := credential
	other.Mechanism = "ntlm"
	got, err = s.Stopped(s.ctx, other)
	if got != nil || err != nil {
		s.Errorf("another mechanism is stopped: %v %v", got, err)
	}
}

// farEnd counts how often a password is tried.
type farEnd struct {
	mu               sync.Mutex
	tries, now, most int
}

func (f *farEnd) try() {
	f.mu.Lock()
	f.tries++
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	time.Sleep(2 * time.Millisecond) // the far end takes its time, so that others would come in between
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
}

// 50 workstations, 16 visits at once in each of two processes, a wrong password: two attempts. Another process then costs none.
func twoAttempts(s *suite) {
	var far farEnd
	pass := func(stores ...*store.Store) {
		var group sync.WaitGroup
		for _, db := range stores {
			queue := make(chan int, 50)
			for n := range 50 {
				queue <- n
			}
			close(queue)
			for range 16 {
				group.Go(func() {
					for n := range queue {
						token, err := db.Permit(s.ctx, credential, id(n))
						if _, stopped := errors.AsType[*photopush.CredentialStop](err); stopped {
							continue
						}
						if err != nil {
							s.Error(err)
							return
						}
						far.try()
						if _, err = db.Rejected(s.ctx, credential, token, id(n), fmt.Sprintf("ws%d: 401", n)); err != nil {
							s.Error(err)
							return
						}
					}
				})
			}
		}
		group.Wait()
	}
	pass(s.Store, s.another())
	s.same("attempts", far.tries, 2)
	s.same("attempts at once", far.most, 1)
	pass(s.another())
	s.same("attempts after another process", far.tries, 2)
	s.wait(365 * 24 * time.Hour)
	pass(s.another())
	s.same("attempts after a year", far.tries, 2)
}

// One attempt in flight until it succeeds; then as many as like. Ten minutes after the last success one has to go first again.
func successLetsMany(s *suite) {
	var far farEnd
	first := s.permit(1)
	if first == "" {
		s.Fatal("the first attempt has no place")
	}
	waiting := make(chan error)
	for n := 2; n <= 9; n++ {
		go func() {
			token, err := s.Permit(s.ctx, credential, id(n))
			if err == nil && token != "" {
				err = fmt.Errorf("workstation %d goes alone", n)
			}
			waiting <- err
		}()
	}
	select {
	case err := <-waiting:
		s.Fatalf("a second attempt is in flight: %v", err)
	case <-time.After(200 * time.Millisecond): // the poll of Permit has looked several times
	}
	far.try()
	s.ok(s.another().Accepted(s.ctx, credential, first))
	for range 8 {
		s.ok(<-waiting)
	}
	s.wait(9 * time.Minute)
	s.same("many still", s.permit(2), "")
	s.ok(s.Accepted(s.ctx, credential, ""))
	s.wait(9 * time.Minute)
	s.same("many after another success", s.permit(3), "")
	s.wait(time.Minute)
	token := s.permit(4)
	if token == "" {
		s.Error("nobody goes first ten minutes after the last success")
	}
	s.ok(s.Unused(s.ctx, credential, token))

	s.ok(s.Accepted(s.ctx, credential, s.permit(4)))
	_, err := s.Rejected(s.ctx, credential, "", id(5), "ws5: 401")
	s.ok(err)
	if token = s.permit(6); token == "" {
		s.Error("many go on after a rejection")
	}
	s.ok(s.Accepted(s.ctx, credential, token))
	_, err = s.Rejected(s.ctx, credential, s.permit(7), id(7), "ws7: 401")
	s.ok(err)
	stopped, err := s.Stopped(s.ctx, credential)
	s.ok(err)
	if stopped != nil {
		s.Errorf("two rejections with a success between them stop: %v", stopped)
	}
}

func notAskedAgain(s *suite) {
	_, err := s.Rejected(s.ctx, credential, s.permit(1), id(1), "ws1: 401")
	s.ok(err)
	const here = "this workstation rejected it already, and no other has accepted it since"
	s.refused(credential, 1, here)
	stopped, err := s.Stopped(s.ctx, credential)
	if stopped != nil || err != nil {
		s.Errorf("stopped for all: %v %v", stopped, err)
	}
	s.ok(s.Unused(s.ctx, credential, s.permit(2)))
	s.refused(credential, 1, here)
	s.ok(s.Accepted(s.ctx, credential, s.permit(2)))
	s.same("another has accepted it", s.permit(1), "")
}

// Workstations that reject what others accept, as when the account is missing there, come back every day; they never stop the credential.
func knownToReject(s *suite) {
	for _, n := range []int{1, 2} {
		_, err := s.Rejected(s.ctx, credential, s.permit(n), id(n), "401")
		s.ok(err)
		s.ok(s.Accepted(s.ctx, credential, s.permit(3)))
	}
	s.wait(24 * time.Hour)
	for _, n := range []int{1, 2} {
		stop, err := s.Rejected(s.ctx, credential, s.permit(n), id(n), "401")
		s.ok(err)
		if stop != nil {
			s.Errorf("stopped by workstations that always reject it: %v", stop)
		}
	}
	_, err := s.Rejected(s.ctx, credential, s.permit(4), id(4), "ws4: 401")
	s.ok(err)
	stop, err := s.Rejected(s.ctx, credential, s.permit(5), id(5), "ws5: 401")
	s.ok(err)
	if stop == nil {
		s.Error("not stopped by two workstations that had not rejected it before")
	}
}

func anotherMark(s *suite) {
	s.ok(s.Stop(s.ctx, credential, "LDAP 49"))
	s.refused(credential, 1, "LDAP 49")
	changed := credential
	changed.Mark.ModTime = changed.Mark.ModTime.Add(time.Nanosecond)
	token, err := s.Permit(s.ctx, changed, id(1))
	s.ok(err)
	s.ok(s.Accepted(s.ctx, changed, token))
	s.refused(credential, 1, "LDAP 49") // a process that has read the old file does not try it again
	stopped, err := s.Stopped(s.ctx, changed)
	if stopped != nil || err != nil {
		s.Errorf("the changed secret is stopped: %v %v", stopped, err)
	}
	variable := photopush.Credential{Account: "svc", Mechanism: "basic", Mark: photopush.SecretMark{Size: 4}}
	s.ok(s.Stop(s.ctx, variable, "401"))
	variable.Mark.Size = 5
	stopped, err = s.Stopped(s.ctx, variable)
	if stopped != nil || err != nil {
		s.Errorf("the changed variable is stopped: %v %v", stopped, err)
	}
}

func permitEnds(s *suite) {
	held := s.permit(1)
	ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.another().Permit(ctx, credential, id(2)); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("waiting for a permit: %v", err)
	}
	s.wait(time.Minute)
	second := s.permit(2)
	if second == "" || second == held {
		s.Errorf("no new permit a minute later: %q", second)
	}
	s.ok(s.Unused(s.ctx, credential, held)) // too late: it takes nothing away
	ctx, cancel = context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Permit(ctx, credential, id(3)); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("a permit that was not ended let another in: %v", err)
	}
	s.ok(s.Unused(s.ctx, credential, second))
	s.ok(s.Unused(s.ctx, credential, s.permit(3)))
}

func stopAndClear(s *suite) {
	stopped, err := s.Stopped(s.ctx, credential)
	if stopped != nil || err != nil {
		s.Errorf("stopped without a reason: %v %v", stopped, err)
	}
	s.ok(s.Stop(s.ctx, credential, "LDAP 49"))
	s.wait(time.Hour)
	s.ok(s.Stop(s.ctx, credential, "again"))
	stopped, err = s.Stopped(s.ctx, credential)
	s.ok(err)
	s.same("the first stop counts", stopped, &photopush.CredentialStop{Credential: credential, Since: start, Detail: "LDAP 49"})
	s.same("text", stopped.Error(), `CORP\svc-push (basic) was rejected, and is not used again until its secret has changed: LDAP 49`)
	s.ok(s.Clear(s.ctx, `Corp\Svc-Push`))
	s.ok(s.Unused(s.ctx, credential, s.permit(1)))
}

// A corrected secret is tried where the old one was rejected, and nowhere else.
func retryRejected(s *suite) {
	s.company(4)
	other := workstation(5)
	other.Domain = "other.example"
	s.ok(s.PutWorkstations(s.ctx, 1, []photopush.Workstation{other}))
	later := s.now().Add(24 * time.Hour)
	for n, reason := range map[int]photopush.Reason{1: photopush.Auth, 2: photopush.Denied, 3: "", 5: photopush.Auth} {
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(n), NextDue: later, Outcome: photopush.Outcome{Reason: reason, Contacted: true, Finished: s.now()}}))
	}
	s.wait(time.Hour)
	changed := s.now()
	s.wait(time.Hour)
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(4), NextDue: later, Outcome: photopush.Outcome{Reason: photopush.Auth, Contacted: true, Finished: s.now()}}))
	s.ok(s.RetryRejected(s.ctx, domain, changed))
	for n, due := range map[int]time.Time{1: s.now(), 2: later, 3: later, 4: later, 5: later} {
		s.same(fmt.Sprintf("due of %d", n), s.record(n).Due, due)
	}
}
