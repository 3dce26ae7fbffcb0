package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// A Service runs passes by their schedule, and in between visits what has become due.
type Service struct {
	*Jobs
	schedule cron.Schedule
	zone     *time.Location

	mu       sync.Mutex
	progress Progress
}

// Progress is what a Service says of itself.
type Progress struct {
	Running  bool      // a pass runs
	LastPass time.Time // end of the last pass; zero before the first
	NextPass time.Time
	Err      error // of the last pass; nil when it was complete
}

// NewService reads the schedule.
func NewService(j *Jobs) (*Service, error) {
	schedule, err := j.Config.schedule()
	if err != nil {
		return nil, fmt.Errorf("jobs.schedule: %w", err)
	}
	zone, err := time.LoadLocation(j.Config.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("jobs.time_zone: %w", err)
	}
	return &Service{Jobs: j, schedule: schedule, zone: zone}, nil
}

// Progress tells how the service is doing.
func (s *Service) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress
}

func (s *Service) note(change func(*Progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.progress)
}

// Run works until ctx ends; then visits under way are ended and stored, and it returns nil. It begins with a pass. An error of a pass
// is logged, and the next one is tried at its time.
func (s *Service) Run(ctx context.Context) error {
	for {
		s.note(func(p *Progress) { p.Running, p.NextPass = true, time.Time{} })
		err := s.Pass(ctx, PassRequest{})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.Log.Error("pass", "err", err)
		}
		now := s.Now()
		next := s.schedule.Next(now.In(s.zone))
		s.note(func(p *Progress) { p.Running, p.LastPass, p.NextPass, p.Err = false, now.UTC(), next.UTC(), err })
		if s.between(ctx, next) != nil {
			return nil
		}
	}
}

// between waits for the next pass, and until then visits what becomes due. Its error is ctx's.
func (s *Service) between(ctx context.Context, pass time.Time) error {
	var said string
	for s.Now().Before(pass) {
		if err := pause(ctx, s.untilDue(ctx, pass)); err != nil {
			return err
		}
		if !s.Now().Before(pass) {
			break
		}
		err := s.visitDue(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			said = ""
			continue
		case err.Error() != said: // what is due stays due while its credential is stopped
			said = err.Error()
			s.Log.Error("visit what is due", "err", err)
		}
		if err := pause(ctx, min(time.Minute, pass.Sub(s.Now()))); err != nil {
			return err
		}
	}
	return nil
}

// untilDue is how long it is until something is due, or the pass comes; at least a second, so that nothing makes it spin.
func (s *Service) untilDue(ctx context.Context, pass time.Time) time.Duration {
	next, _, _, err := s.Store.NextDue(ctx, s.names()...)
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.Error("ask what is due", "err", err)
		fallthrough
	case err != nil, next.IsZero(), next.After(pass):
		next = pass
	}
	return max(next.Sub(s.Now()), time.Second)
}
