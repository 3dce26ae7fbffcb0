package winrm

import (
	"net/http"
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
)

// TestRemedies: what has a cause of its own says what to do about that, in one sentence, and not what the reason's sentence says of others.
func TestRemedies(t *testing.T) {
	ntlm := &negotiated{how: &negotiation{scheme: "Negotiate", rejected: photopush.Auth}, host: testHost}
	challenge := &answer{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {"Negotiate"}}}
	_, short := (&negotiation{fqdn: true}).prepare("ws1")
	for name, c := range map[string]struct {
		err    error
		reason photopush.Reason
		want   string
	}{
		"NTLM is not taken":         {ntlm.turnedAway(challenge), photopush.Unsupported, "Restrict NTLM: Incoming NTLM traffic"},
		"Negotiate is not offered":  {ntlm.turnedAway(&answer{status: http.StatusUnauthorized}), photopush.Unsupported, "Allow Negotiate there (winrm/config/service/auth)"},
		"a short name":              {short, photopush.DNS, "Correct dNSHostName of the computer object"},
		"the certificate":           {(&certificateContext{host: testHost}).challenged(nil), photopush.Denied, "map it to a local account (winrm/config/service/certmapping)"},
		"http to a port of https":   {ask(400), photopush.Unsupported, "transport and port must go together"},
		"no service under the path": {ask(404), photopush.Unsupported, "winrm enumerate winrm/config/listener"},
		"a limit of size":           {ask(413), photopush.Unsupported, "Raise winrm/config/MaxEnvelopeSizekb"},
		"a kind of sign-in":         {ask(500), photopush.Unsupported, "Allow the configured auth"},
		"starting":                  {ask(503), photopush.Timeout, "Wait until the WinRM service has started there"},
		"another server":            {ask(302), photopush.Unsupported, "Find out what listens on that port"},
		"no answer of WinRM":        {(&link{}).failure("open shell on", &malformedError{errNoEnvelope}), photopush.Unsupported, "Find out what listens on that port"},
		"no administrator":          {(&link{}).failure("open shell on", &Fault{Code: 5}), photopush.Denied, "The account must be an administrator there"},
	} {
		got := photopush.Remedy(c.err)
		if photopush.ReasonOf(c.err) != c.reason || !strings.Contains(got, c.want) || strings.Count(got, ". ") > 0 || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: %v: what to do is %q, want %s and %q", name, c.err, got, c.reason, c.want)
		}
	}
	ntlm.shown = true
	rejected := ntlm.turnedAway(challenge)
	if got := photopush.Remedy(rejected); got != photopush.Auth.Sentence() {
		t.Errorf("%v: what to do is %q, want that of the reason", rejected, got)
	}
}

func ask(status int) error { return (&link{}).failure("open shell on", &statusError{status}) }
