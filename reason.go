package photopush

// A Reason says why not. The set is closed: it decides what happens next, and is metric label and report column.
type Reason string

const (
	Offline             Reason = "offline"
	NeverReachable      Reason = "never_reachable"
	DNS                 Reason = "dns"
	KDC                 Reason = "kdc"
	WrongHost           Reason = "wrong_host"
	TLS                 Reason = "tls"
	ClockSkew           Reason = "clock_skew"
	Auth                Reason = "auth"
	Denied              Reason = "denied"
	Unsupported         Reason = "unsupported"
	RemoteShellDisabled Reason = "remote_shell_disabled"
	ConstrainedLanguage Reason = "constrained_language"
	BlockedPolicy       Reason = "blocked_policy"
	UnsafePath          Reason = "unsafe_path"
	Conflict            Reason = "conflict"
	DiskFull            Reason = "disk_full"
	Quota               Reason = "quota"
	Overwritten         Reason = "overwritten"
	BadPhoto            Reason = "bad_photo"
	NoPhoto             Reason = "no_photo"
	OutOfScope          Reason = "out_of_scope"
	Script              Reason = "script"
	Timeout             Reason = "timeout"
	Unknown             Reason = "unknown"
	Internal            Reason = "internal"
)

// sentences say to the administrator what a reason means, and what to do.
var sentences = []struct {
	reason   Reason
	sentence string
}{
	{Offline, "The workstation did not answer; it is probably off. Nothing to do: it is tried again when it may be on."},
	{NeverReachable, "The workstation has never answered. Check that WinRM is enabled there, that the firewall lets this server in, and that it is not behind a VPN or on a public network profile."},
	{DNS, "The name does not resolve. Check the DNS record of the host, and domains[].dns_servers in the configuration."},
	{KDC, "No Kerberos key distribution centre answers. Check that a domain controller of the domain is reachable on port 88."},
	{WrongHost, "The machine that answered is not the one that was meant. Remove the stale DNS record, or wait until it is refreshed."},
	{TLS, "The certificate was not accepted. Issue one for the host's full name from a CA in ca_file, or correct ca_file."},
	{ClockSkew, "The clocks differ by more than Kerberos allows, five minutes. Set the time on both machines."},
	{Auth, "User name or password was rejected. Correct the credential, or unlock or enable the account and touch the credential's file; it is not used again until its file has changed."},
	{Denied, "Signed in, but access was refused. Make the account a local administrator of the workstation (by group policy), or check the rights named in the detail."},
	{Unsupported, "The workstation lacks what is needed: Windows 10 1607 or Server 2016, Windows PowerShell 5.1, .NET Framework 4.6.2. Update it, or take it out of the scope."},
	{RemoteShellDisabled, "The policy 'Allow Remote Shell Access' is disabled on the workstation. Enable it, or leave it not configured."},
	{ConstrainedLanguage, "PowerShell runs in constrained language mode there. Allow the script in App Control or AppLocker; a full disk, or a product that blocks __PSScriptPolicyTest files in TEMP, has the same effect."},
	{BlockedPolicy, "The policy 'Apply the default account picture to all users' is set, so Windows ignores every picture. Unset it if pictures are wanted there."},
	{UnsafePath, "A folder on the way to the pictures is a link, or can be changed by someone who is no administrator. Nothing was written: correct its owner and permissions as named in the detail."},
	{Conflict, "Something else changed the picture at the same moment. Nothing to do: it is read and tried again soon."},
	{DiskFull, "The workstation's disk is full. Free some space there."},
	{Quota, "The workstation's limit of shells, processes or memory is reached. It is tried again soon; if it stays, raise the WinRM quotas there."},
	{Overwritten, "Something else replaced our picture: the user, a Microsoft account, or another tool. Decide who shall win: policy.mode."},
	{BadPhoto, "The photo in the directory cannot be decoded. Replace it by a JPEG or PNG."},
	{NoPhoto, "The user has no photo in the directory. Import one."},
	{OutOfScope, "The user or workstation is outside the configured scope. Widen the scope if it should be cared for."},
	{Script, "The script did not run to its end on the workstation. Its detail says where; anti-malware products that block scripts are a usual cause."},
	{Timeout, "The workstation answered, but did not finish in time. It is tried again; raise the deadline if it stays."},
	{Unknown, "The connection was lost, or time ran out, after the work had been sent, so that it may or may not be done. It is read again at the next contact."},
	{Internal, "An error of photopush itself. Please report it with the log."},
}

// Reasons lists the closed set.
func Reasons() []Reason {
	all := make([]Reason, len(sentences))
	for i, s := range sentences {
		all[i] = s.reason
	}
	return all
}

// Sentence says what the reason means and what to do; "" for one that is not in the set.
func (r Reason) Sentence() string {
	for _, s := range sentences {
		if s.reason == r {
			return s.sentence
		}
	}
	return ""
}
