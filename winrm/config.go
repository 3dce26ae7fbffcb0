package winrm

import (
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
)

// Config is how the workstations of one domain are reached.
type Config struct {
	Port             int             `yaml:"port" default:"5986" help:"TCP port of WinRM over HTTPS on the workstations."`
	CAFile           string          `yaml:"ca_file" help:"PEM file with the certification authorities that issue the workstations' certificates; empty for those the system trusts." example:"/etc/photopush/workstations-ca.pem"`
	Auth             string          `yaml:"auth" default:"basic" help:"How to sign in: basic, a user name and password inside TLS."`
	User             string          `yaml:"user" help:"Account to sign in with: a local administrator of the workstations, since Windows accepts basic for local accounts only." example:"svc-photopush"`
	PasswordFile     string          `yaml:"password_file" help:"File whose first line is the account's password." example:"/etc/photopush/winrm.password"`
	PasswordEnv      string          `yaml:"password_env" help:"Environment variable that holds the password, instead of password_file." example:"PHOTOPUSH_WINRM_PASSWORD"`
	DialTimeout      time.Duration   `yaml:"dial_timeout" default:"2s" help:"How long resolving a name and connecting may take before a workstation counts as offline, 100ms to 30s."`
	OperationTimeout time.Duration   `yaml:"operation_timeout" default:"15s" help:"How long a workstation may hold a request for output before it answers that there is none yet, 1s to 15s."`
	RequestTimeout   time.Duration   `yaml:"request_timeout" default:"30s" help:"How long sending one request, and then waiting for its answer, may take; at least 5s more than operation_timeout, at most 10m."`
	RunTimeout       time.Duration   `yaml:"run_timeout" default:"5m" help:"How long one command may take from start to end, 1s to 1h."`
	IdleTimeout      time.Duration   `yaml:"idle_timeout" default:"2m" help:"After this time without a request a workstation removes a shell that was left behind, 60s to 180s."`
	MaxEnvelope      photopush.Bytes `yaml:"max_envelope" default:"500 KiB" help:"Largest message to send or accept, 150 KiB to 4 MiB; workstations with a lower limit are noticed."`
	MaxOutput        photopush.Bytes `yaml:"max_output" default:"16 MiB" help:"Most that one command may print, 64 KiB to 256 MiB."`
}

// DefaultConfig is what the default tags say.
func DefaultConfig() Config {
	return Config{
		Port: 5986, Auth: "basic", DialTimeout: 2 * time.Second, OperationTimeout: 15 * time.Second, RequestTimeout: 30 * time.Second,
		RunTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute, MaxEnvelope: 512000, MaxOutput: 16 << 20,
	}
}

// Password is where the account's password is kept.
func (c *Config) Password() photopush.Secret {
	return photopush.Secret{File: c.PasswordFile, Env: c.PasswordEnv}
}

// Validate reports every fault at once; path is the section's place in the file, such as domains[0].winrm.
func (c *Config) Validate(path string) error {
	if path != "" {
		path += "."
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(path+format, args...)) }
	if c.Port < 1 || c.Port > 65535 {
		fault("port is %d, want 1 to 65535", c.Port)
	}
	c.validateAccount(fault)
	for _, t := range []struct {
		key           string
		is, low, high time.Duration
	}{
		{"dial_timeout", c.DialTimeout, 100 * time.Millisecond, 30 * time.Second},
		{"operation_timeout", c.OperationTimeout, time.Second, 15 * time.Second},
		{"request_timeout", c.RequestTimeout, c.OperationTimeout + 5*time.Second, 10 * time.Minute},
		{"run_timeout", c.RunTimeout, time.Second, time.Hour},
		{"idle_timeout", c.IdleTimeout, minIdle, maxIdle},
	} {
		if t.is < t.low || t.is > t.high {
			fault("%s is %v, want %v to %v", t.key, t.is, t.low, t.high)
		}
	}
	for _, s := range []struct {
		key           string
		is, low, high photopush.Bytes
	}{
		{"max_envelope", c.MaxEnvelope, smallEnvelope, 4 << 20},
		{"max_output", c.MaxOutput, 64 << 10, 256 << 20},
	} {
		if s.is < s.low || s.is > s.high {
			fault("%s is %v, want %v to %v", s.key, s.is, s.low, s.high)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateAccount(fault func(string, ...any)) {
	switch {
	case c.Auth != "basic":
		fault("auth is %q, want basic", c.Auth)
	case c.User == "":
		fault("user is empty, want the account to sign in with")
	case strings.ContainsFunc(c.User, notInBasic):
		fault("user is %q, want a name without a colon and control characters, which basic cannot carry", c.User)
	case strings.ContainsAny(strings.TrimPrefix(c.User, `.\`), `\@`):
		fault("user is %q, want a local account of the workstations, such as svc-photopush: Windows accepts basic for local accounts only", c.User)
	}
	switch {
	case c.PasswordFile != "" && c.PasswordEnv != "":
		fault("password_file and password_env are both set, want one of them")
	case c.PasswordFile == "" && c.PasswordEnv == "":
		fault("password_file is empty, want a file, or password_env")
	}
}

// The IdleTimeOut of a shell: Windows accepts no less than 60 s, and a shell that was left behind should not count against the quota for long.
const (
	minIdle = 60 * time.Second
	maxIdle = 180 * time.Second
)

// smallEnvelope is the MaxEnvelopeSizekb of the oldest WinRM there is, 150 KiB; hosts that refuse more are sent this.
const smallEnvelope = 150 << 10
