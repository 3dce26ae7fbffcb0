package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Config says when and how many.
type Config struct {
	Schedule      string        `yaml:"schedule" default:"0 * * * *" help:"When serve runs a pass: a cron expression of five fields (minute hour day month weekday)."`
	TimeZone      string        `yaml:"time_zone" default:"Local" help:"Time zone of the schedule, an IANA name such as Europe/Berlin, or Local."`
	Visits        int           `yaml:"visits" default:"32" help:"Workstations visited at the same time, over all processes that share the database; 1 to 1000."`
	VisitsPerSite int           `yaml:"visits_per_site" default:"0" help:"Likewise of one site of Active Directory, so that a narrow line to a branch office is not filled; 0 for no limit of its own. The site follows from the address at the last visit: before its first one a workstation counts for none."`
	VisitDeadline time.Duration `yaml:"visit_deadline" default:"3m" help:"Longest time for one workstation, from connecting to reading back; 10s to 30m."`
	VerifyEvery   time.Duration `yaml:"verify_every" default:"168h" help:"How often a workstation in step is looked at again; each has its own place in the interval; 1h to 2160h (90 days)."`
	FullReadEvery time.Duration `yaml:"full_read_every" default:"168h" help:"How often every user and computer of a domain is read, and not only what the domain controller says has changed: deletions that the account may not see, and what it sees or does not see any more since permissions were changed, show by that alone; 1h to 2160h (90 days)."`
	OfflineRetry  time.Duration `yaml:"offline_retry" default:"2h" help:"When a workstation that was off is tried again; half as much is added at random; 1m to 24h."`
}

// Validate reports every fault; path is the section's place in the configuration.
func (c *Config) Validate(path string) error {
	var errs []error
	if _, err := c.schedule(); err != nil {
		errs = append(errs, fmt.Errorf("%s.schedule is %q, want a cron expression of five fields such as \"0 * * * *\": %w", path, c.Schedule, err))
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		errs = append(errs, fmt.Errorf("%s.time_zone is %q, want an IANA name such as Europe/Berlin, or Local", path, c.TimeZone))
	}
	if c.Visits < 1 || c.Visits > 1000 {
		errs = append(errs, fmt.Errorf("%s.visits is %d, want 1 to 1000", path, c.Visits))
	}
	if c.VisitsPerSite < 0 || c.VisitsPerSite > 1000 {
		errs = append(errs, fmt.Errorf("%s.visits_per_site is %d, want 0 to 1000", path, c.VisitsPerSite))
	}
	for _, d := range []struct {
		key       string
		got       time.Duration
		low, high time.Duration
	}{
		{"visit_deadline", c.VisitDeadline, 10 * time.Second, 30 * time.Minute},
		{"verify_every", c.VerifyEvery, time.Hour, 90 * 24 * time.Hour},
		{"full_read_every", c.FullReadEvery, time.Hour, 90 * 24 * time.Hour},
		{"offline_retry", c.OfflineRetry, time.Minute, 24 * time.Hour},
	} {
		if d.got < d.low || d.got > d.high {
			errs = append(errs, fmt.Errorf("%s.%s is %s, want %s to %s", path, d.key, d.got, d.low, d.high))
		}
	}
	return errors.Join(errs...)
}

// schedule reads Schedule. A zone in it is refused before cron sees it, which panics at one without fields; so is a day that never comes.
func (c *Config) schedule() (cron.Schedule, error) {
	if strings.Contains(c.Schedule, "TZ=") {
		return nil, errors.New("the zone belongs into time_zone")
	}
	s, err := cron.ParseStandard(c.Schedule)
	if err == nil && s.Next(time.Now()).IsZero() {
		err = errors.New("that day never comes")
	}
	return s, err
}

// lease is how long a claim holds: longer than the visit's deadline, and what follows until it is stored, so that no visit outlives its lease.
func (c *Config) lease() time.Duration { return c.VisitDeadline + siteTime + 30*time.Second }
