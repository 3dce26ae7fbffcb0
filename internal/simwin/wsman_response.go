package simwin

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An answer is what a request gets: a body, or a fault in its place.
type answer struct {
	action     string // of the response
	namespaces string // the declarations of its envelope, by prefix; each kind of answer has its own (recorded)
	body       string
	fault      *soapFault
}

// Prefixes that Windows declares, in its order.
const (
	prefixesFull    = "sax w rsp p" // Create, Command, Send, Signal
	prefixesReceive = "sa w rsp p"
	prefixesGet     = "sax w p"
	prefixesDelete  = "sa w p"
	prefixesEnum    = "san w p" // Enumerate, Pull, Release (published answers)
	prefixesFault   = "saxen w p"
)

var declarations = []struct{ mark, text string }{
	{"s", ` xmlns:s="` + nsSOAP + `"`},
	{"a", ` xmlns:a="` + nsAddr + `"`},
	{"x", ` xmlns:x="` + nsXfer + `"`},
	{"e", ` xmlns:e="` + nsEvent + `"`},
	{"n", ` xmlns:n="` + nsEnum + `"`},
	{" w", ` xmlns:w="` + nsWSMan + `"`},
	{" rsp", ` xmlns:rsp="` + nsShell + `"`},
	{" p", ` xmlns:p="` + nsMS + `"`},
}

func declare(prefixes string) string {
	first, _, _ := strings.Cut(prefixes, " ")
	var b strings.Builder
	for _, d := range declarations {
		if d.mark[0] == ' ' && strings.Contains(prefixes, d.mark) || strings.Contains(first, d.mark) {
			b.WriteString(d.text)
		}
	}
	return b.String()
}

func faultAnswer(f *soapFault) *answer { return &answer{fault: f} }

// envelope writes an answer. machine is the host as the client addressed it; activity is empty for systems before Windows 10.
func (a *answer) envelope(r *request, machine, activity string) []byte {
	action, prefixes, body := a.action, a.namespaces, a.body
	if a.fault != nil {
		action, prefixes, body = a.fault.action(), prefixesFault, a.fault.body(machine)
	}
	var b strings.Builder
	b.Grow(len(body) + 1536)
	b.WriteString(`<s:Envelope xml:lang="en-US"` + declare(prefixes) + `><s:Header><a:Action>` + action + `</a:Action><a:MessageID>uuid:` + newID() + `</a:MessageID>`)
	if activity != "" {
		b.WriteString(`<p:ActivityId>` + activity + `</p:ActivityId>`)
	}
	b.WriteString(`<a:To>` + anonymous + `</a:To>`)
	if r != nil && r.messageID != "" {
		b.WriteString(`<a:RelatesTo>` + escape(r.messageID) + `</a:RelatesTo>`)
	}
	if a.fault != nil && a.fault.understand != "" {
		b.WriteString(`<s:NotUnderstood qname="` + escape(a.fault.understand) + `"/>`)
	}
	b.WriteString(`</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`)
	return []byte(b.String())
}

// envelopeRoom is what an answer to r needs besides its body, with room to spare for its identifiers.
func envelopeRoom(r *request) int { return 1200 + len(escape(r.messageID)) }

// identifyAnswer is the answer to wsmid:Identify (DSP0226, section 11). Who has not authenticated does not learn the version (MS-WSMV 3.1.4.1.23).
func identifyAnswer(version string, offers []string) []byte {
	var profiles strings.Builder
	for _, o := range offers {
		scheme, _, _ := strings.Cut(o, " ")
		switch scheme {
		case "Basic":
			profiles.WriteString(profile("http/basic") + profile("https/basic"))
		case "Negotiate":
			profiles.WriteString(profile("http/spnego-kerberos") + profile("https/spnego-kerberos"))
		}
	}
	security := ""
	if profiles.Len() > 0 {
		security = `<wsmid:SecurityProfiles>` + profiles.String() + `</wsmid:SecurityProfiles>`
	}
	return []byte(`<s:Envelope xml:lang="en-US" xmlns:s="` + nsSOAP + `"><s:Header/><s:Body><wsmid:IdentifyResponse xmlns:wsmid="` + nsIdent + `">` +
		`<wsmid:ProtocolVersion>` + nsWSMan + `</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>` +
		`<wsmid:ProductVersion>OS: ` + escape(version) + ` Stack: 3.0</wsmid:ProductVersion>` + security +
		`</wsmid:IdentifyResponse></s:Body></s:Envelope>`)
}

func profile(name string) string {
	return `<wsmid:SecurityProfileName>http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/` + name + `</wsmid:SecurityProfileName>`
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#xD;")

// escape makes text fit between tags and quotes.
func escape(s string) string { return escaper.Replace(s) }

// newID is a GUID as Windows writes it in messages.
func newID() string { return strings.ToUpper(uuid.NewString()) }

// windowsSeconds is the form of IdleTimeOut: PT7200.000S.
func windowsSeconds(d time.Duration) string { return fmt.Sprintf("PT%.3fS", d.Seconds()) }

// windowsDays is the form of ShellRunTime: P0DT0H1M2S.
func windowsDays(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("P%dDT%dH%dM%dS", s/86400, s/3600%24, s/60%60, s%60)
}

// hostOf is the host in an address, as a fault's Machine attribute names it.
func hostOf(address, otherwise string) string {
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return otherwise
}
