package gss

import (
	"os"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// TestRemedies: a refusal that has a cause of its own says what to do about that, in one sentence.
func TestRemedies(t *testing.T) {
	k := &Kerberos{realm: "CORP.EXAMPLE"}
	for _, c := range []struct {
		code   int32
		spn    string
		reason photopush.Reason
		want   string
	}{
		{1, "krbtgt/CORP.EXAMPLE", photopush.Auth, "another end in the domain; then touch the file"},
		{6, "krbtgt/CORP.EXAMPLE", photopush.Auth, "does not know it"},
		{7, "WSMAN/ws1.corp.example", photopush.WrongHost, "setspn -Q HTTP/ws1.corp.example"},
		{7, "ldap/dc1.corp.example/corp.example", photopush.WrongHost, "none has ldap/dc1.corp.example as servicePrincipalName"},
		{7, "krbtgt/CORP.EXAMPLE", photopush.WrongHost, "kerberos.realm"},
		{12, "krbtgt/CORP.EXAMPLE", photopush.Auth, "an authentication policy forbid it; then touch the file"},
		{12, "WSMAN/ws1.corp.example", photopush.Denied, "Let the account sign in to ws1.corp.example"},
		{12, "ldap/dc1.corp.example/corp.example", photopush.Denied, "Let the account sign in to dc1.corp.example: an authentication policy"},
		{19, "WSMAN/ws1.corp.example", photopush.Denied, "Enable the computer account of ws1.corp.example"},
		{2, "WSMAN/ws1.corp.example", photopush.Denied, "the computer account of ws1.corp.example"},
		{23, "WSMAN/ws1.corp.example", photopush.Denied, "in the log of the KDC dc1:88"},
		{18, "WSMAN/ws1.corp.example", photopush.Auth, "Enable or unlock the account"},
		{14, "WSMAN/ws1.corp.example", photopush.Unsupported, "allow_rc4"},
		{18, "krbtgt/CORP.EXAMPLE", photopush.Auth, "the hours in which it may sign in; then touch the file of its password or keytab: it is not used again"},
		{23, "krbtgt/CORP.EXAMPLE", photopush.Auth, "has expired"},
		{24, "krbtgt/CORP.EXAMPLE", photopush.Auth, "Correct the password, or the keytab"},
		{37, "krbtgt/CORP.EXAMPLE", photopush.ClockSkew, "or of the KDC dc1:88"},
		{68, "krbtgt/CORP.EXAMPLE", photopush.KDC, "serves another one"},
		{9, "krbtgt/CORP.EXAMPLE", photopush.KDC, "in the log of the KDC dc1:88"},
	} {
		said := messages.KRBError{ErrorCode: c.code, SName: types.NewPrincipalName(nametype.KRB_NT_SRV_INST, c.spn)}
		err := k.meaning(c.spn, &kdcError{said, "dc1:88", !strings.HasPrefix(c.spn, "krbtgt/")})
		says(t, err, c.reason, c.want)
	}
	for _, c := range []struct {
		code   int32
		reason photopush.Reason
		want   string
	}{
		{31, photopush.WrongHost, "setspn -Q HTTP/ws1.corp.example"},
		{44, photopush.WrongHost, "setspn -Q HTTP/ws1.corp.example"},
		{41, photopush.WrongHost, "Correct the DNS record of ws1.corp.example"},
		{37, photopush.ClockSkew, "Set the time of the workstation"},
		{67, photopush.Unsupported, "join it to the domain anew"},
		{60, photopush.Unsupported, "Security logs of the workstation"},
	} {
		says(t, refusal("WSMAN/ws1.corp.example", c.code), c.reason, c.want)
	}
	says(t, refusal("ldap/dc1.corp.example/corp.example", 41), photopush.WrongHost, "setspn -Q ldap/dc1.corp.example whether")
	says(t, refusal("ldap/dc1.corp.example", 37), photopush.ClockSkew, "Set the time of the domain controller")
	says(t, &photopush.Error{Reason: photopush.KDC, Err: errWeak}, photopush.KDC, "allow_rc4")
	says(t, &photopush.Error{Reason: photopush.KDC, Err: errNoSalt}, photopush.KDC, "allow_rc4")
}

func says(t *testing.T, err error, reason photopush.Reason, want string) {
	t.Helper()
	got := photopush.Remedy(err)
	if photopush.ReasonOf(err) != reason || !strings.Contains(got, want) || got == reason.Sentence() || strings.Count(got, ". ") > 0 {
		t.Errorf("%v: %s, what to do is %q, want %s and %q, in one sentence", err, photopush.ReasonOf(err), got, reason, want)
	}
}

// TestUnusableFiles: a keytab or cache that will not do is told from a refused account, before a KDC is asked.
func TestUnusableFiles(t *testing.T) {
	dir := t.TempDir()
	empty, odd := dir+"/empty", dir+"/odd"
	writeFile(t, empty, "")
	writeFile(t, odd, "password\n")
	const put = "; put it there, readable by the account that photopush runs as"
	for want, a := range map[string]KerberosAccount{
		"cannot use the keytab in file " + dir + "/none: no such file or directory" + put: {KeytabFile: dir + "/none"},
		"cannot use the keytab in file " + empty + ": it is empty" + put:                  {KeytabFile: empty},
		"cannot use the keytab in file " + odd + ": it is no keytab: ":                    {KeytabFile: odd},
		"cannot use the credential cache in file " + empty + ": it is empty" + put:        {CacheFile: empty},
		"cannot use the credential cache in file " + odd + ": ":                           {CacheFile: odd},
		"cannot use the password in file " + empty + ": it is empty" + put:                {Password: photopush.Secret{File: empty}},
	} {
		if err := a.CheckFiles(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the error is %v, want %s", err, want)
		}
		a.User = "svc-push"
		k, err := NewKerberos(KerberosConfig{Realm: "CORP.EXAMPLE", KDCs: []string{"kdc.invalid"}, Timeout: DefaultKerberosConfig().Timeout}, a, KerberosOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Initiate(t.Context(), Target{SPNs: []string{"HTTP/ws1.corp.example"}})
		if err == nil || !strings.Contains(err.Error(), want) || photopush.ReasonOf(err) == photopush.Auth || k.Stats() != (KerberosStats{}) {
			t.Errorf("signing in: %v after %+v, want %s", err, k.Stats(), want)
		}
	}
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
