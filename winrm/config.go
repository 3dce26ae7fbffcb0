package winrm

import (
	"errors"
	"fmt"
	"time"

	photopush "github.com/photopush/photopush"
)

// Config is how the workstations of one domain are reached.
type Config struct {
	Transport        string          `yaml:"transport" default:"http" help:"http, as Windows offers it once WinRM is enabled: messages are sealed with kerberos or ntlm, and nothing is sent in clear; or https."`
	Port             int             `yaml:"port" default:"0" help:"TCP port of WinRM on the workstations; 0 for 5985 with http and 5986 with https."`
	CAFile           string          `yaml:"ca_file" help:"For https: PEM file with the certification authorities that issue the workstations' certificates; empty for those the system trusts." example:"/etc/photopush/workstations-ca.pem"`
	Auth             string          `yaml:"auth" default:"kerberos" help:"How to sign in: kerberos; ntlm, for local accounts; certificate, that of the client, with https only; basic, for local accounts, with https only. It is never changed to another by itself."`
	User             string          `yaml:"user" unless:"auth is certificate or ccache_file is set" help:"Account to sign in with, an administrator of the workstations: one of the domain for kerberos, svc-push or svc-push@CORP.EXAMPLE; a local one of the workstations for ntlm and basic." example:"svc-push"`
	PasswordFile     string          `yaml:"password_file" unless:"auth is certificate or one of password_env, keytab_file and ccache_file is set" help:"For kerberos, ntlm and basic: file whose first line is the account's password." example:"/etc/photopush/winrm.password"`
	PasswordEnv      string          `yaml:"password_env" help:"For kerberos, ntlm and basic: environment variable that holds the password, instead of password_file." example:"PHOTOPUSH_WINRM_PASSWORD"`
	KeytabFile       string          `yaml:"keytab_file" help:"For kerberos, instead of a password: file with the account's keys." example:"/etc/photopush/svc-push.keytab"`
	CCacheFile       string          `yaml:"ccache_file" help:"For kerberos, instead of a password: credential cache with tickets, which someone else renews; user may be empty then."`
	CertificateFile  string          `yaml:"certificate_file" help:"For certificate: PEM file with the client's certificate, which the workstations map to a local account." example:"/etc/photopush/svc-push.pem"`
	KeyFile          string          `yaml:"key_file" help:"For certificate: PEM file with the key of the certificate." example:"/etc/photopush/svc-push.key"`
	KerberosHeader   string          `yaml:"kerberos_header" default:"negotiate" help:"How kerberos presents itself: negotiate, which every Windows takes, or kerberos, without the negotiation around it."`
	AllowDomainNTLM  []string        `yaml:"allow_domain_ntlm" help:"Domain accounts that ntlm may be used with, spelt as in user; without being named here it is for local accounts only." example:"[\"CORP\\\\svc-push\"]"`
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
		Transport: overHTTP, Auth: authKerberos, KerberosHeader: headerNegotiate, DialTimeout: 2 * time.Second, OperationTimeout: 15 * time.Second, RequestTimeout: 30 * time.Second,
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
	if c.Port < 0 || c.Port > 65535 {
		fault("port is %d, want 1 to 65535, or 0 for the usual one", c.Port)
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

// The IdleTimeOut of a shell: Windows accepts no less than 60 s, and a shell that was left behind should not count against the quota for long.
const (
	minIdle = 60 * time.Second
	maxIdle = 180 * time.Second
)

// smallEnvelope is the MaxEnvelopeSizekb of the oldest WinRM there is, 150 KiB; hosts that refuse more are sent this.
const smallEnvelope = 150 << 10
