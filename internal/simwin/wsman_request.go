package simwin

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Namespaces and URIs of the messages, with the prefixes that Windows uses.
const (
	nsSOAP  = "http://www.w3.org/2003/05/soap-envelope"                 // s
	nsAddr  = "http://schemas.xmlsoap.org/ws/2004/08/addressing"        // a
	nsXfer  = "http://schemas.xmlsoap.org/ws/2004/09/transfer"          // x
	nsEvent = "http://schemas.xmlsoap.org/ws/2004/08/eventing"          // e
	nsEnum  = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"       // n
	nsWSMan = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"          // w
	nsShell = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell" // rsp
	nsMS    = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"     // p
	nsFault = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"    // f
	nsIdent = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
	nsConf  = "http://schemas.microsoft.com/wbem/wsman/1/config" // cfg
	nsXML   = "http://www.w3.org/XML/1998/namespace"

	anonymous = nsAddr + "/role/anonymous"

	actionCreate    = nsXfer + "/Create"
	actionGet       = nsXfer + "/Get"
	actionDelete    = nsXfer + "/Delete"
	actionEnumerate = nsEnum + "/Enumerate"
	actionPull      = nsEnum + "/Pull"
	actionRelease   = nsEnum + "/Release"

	actionCommand = nsShell + "/Command"
	actionSend    = nsShell + "/Send"
	actionReceive = nsShell + "/Receive"
	actionSignal  = nsShell + "/Signal"

	resourceCmd = nsShell + "/cmd"
	resourceWMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/" // MS-WSMV 2.2.1; the namespace and a class follow

	dialectWQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL" // MS-WSMV 2.2.4.26
)

// A request is an envelope whose headers have been read.
type request struct {
	action    string
	messageID string
	to        string
	resource  string
	timeout   time.Duration // OperationTimeout; 0 when the client names none
	maxSize   int           // MaxEnvelopeSize; 0 when the client names none
	selectors map[string]string
	options   map[string]string // names in upper case
	body      *element          // the one element of the body; nil when it is empty
	identify  bool
	charset   charset
}

// short is the last word of the action: Create, Command, …
func (r *request) short() string {
	if r == nil {
		return ""
	}
	if r.identify {
		return "Identify"
	}
	return r.action[strings.LastIndexByte(r.action, '/')+1:]
}

// shellID is the selector that names a shell, in upper case.
func (r *request) shellID() string {
	if r == nil {
		return ""
	}
	return strings.ToUpper(r.selectors["ShellId"])
}

func (r *request) option(name string) (string, bool) {
	v, ok := r.options[name]
	return v, ok
}

// parseRequest reads an envelope. The request is returned beside a fault as far as it was understood, so that the fault can relate to it.
func parseRequest(text []byte, cs charset) (*request, *soapFault) {
	r := &request{charset: cs, selectors: map[string]string{}, options: map[string]string{}}
	root, err := parseXML(text)
	if err != nil {
		return r, faultInvalidXML
	}
	if root.name == "Envelope" && root.space != nsSOAP {
		return r, faultVersion
	}
	header, body := root.child(nsSOAP, "Header"), root.child(nsSOAP, "Body")
	if !root.is(nsSOAP, "Envelope") || body == nil || len(body.kids) > 1 {
		return r, faultInvalidBody
	}
	if len(body.kids) == 1 {
		r.body = body.kids[0]
	}
	if r.body.is(nsIdent, "Identify") {
		r.identify = true
		return r, nil
	}
	return r, r.readHeaders(header)
}

var singleHeaders = map[string]func(*request, *element) *soapFault{
	nsAddr + " Action":            func(r *request, n *element) *soapFault { r.action = n.value(); return nil },
	nsAddr + " MessageID":         func(r *request, n *element) *soapFault { r.messageID = n.value(); return nil },
	nsAddr + " To":                (*request).readTo,
	nsAddr + " ReplyTo":           (*request).readReplyTo,
	nsAddr + " FaultTo":           (*request).readReplyTo,
	nsAddr + " From":              nil,
	nsAddr + " RelatesTo":         nil,
	nsWSMan + " ResourceURI":      func(r *request, n *element) *soapFault { r.resource = n.value(); return nil },
	nsWSMan + " SelectorSet":      (*request).readSelectors,
	nsWSMan + " OptionSet":        (*request).readOptions,
	nsWSMan + " OperationTimeout": (*request).readTimeout,
	nsWSMan + " MaxEnvelopeSize":  (*request).readMaxSize,
	nsWSMan + " Locale":           (*request).readLocale,
	nsMS + " DataLocale":          (*request).readLocale,
	nsMS + " SessionId":           nil,
	nsMS + " OperationID":         nil,
	nsMS + " SequenceId":          nil,
	nsMS + " ActivityId":          nil,
}

func (r *request) readHeaders(header *element) *soapFault {
	if header == nil {
		return faultMissingHeader("Action")
	}
	// What a fault relates to is read before anything can be wrong.
	r.messageID = header.child(nsAddr, "MessageID").value()
	seen := map[string]bool{}
	for _, h := range header.kids {
		name := h.space + " " + h.name
		read, known := singleHeaders[name]
		if !known {
			if mustUnderstand(h) {
				return faultNotUnderstood(h.name)
			}
			continue
		}
		if seen[name] {
			return faultBadHeader(fmt.Sprintf("The header %s is there more than once. ", h.name))
		}
		seen[name] = true
		if read == nil {
			continue
		}
		if f := read(r, h); f != nil {
			return f
		}
	}
	return r.checkHeaders()
}

// checkHeaders: what every request must have (DSP0226, section 5).
func (r *request) checkHeaders() *soapFault {
	switch {
	case r.action == "":
		return faultMissingHeader("Action")
	case r.messageID == "":
		return faultMissingHeader("MessageID")
	case r.to == "":
		return faultMissingHeader("To")
	case len(r.resource) > 2048:
		return faultURILimit
	}
	return nil
}

// mustUnderstand: Windows takes the attribute without its namespace too.
func mustUnderstand(h *element) bool {
	for _, a := range h.attrs {
		if a.Name.Local == "mustUnderstand" && (a.Name.Space == nsSOAP || a.Name.Space == "") {
			return a.Value == "true" || a.Value == "1"
		}
	}
	return false
}

func (r *request) readTo(n *element) *soapFault {
	u, err := url.Parse(n.value())
	if err != nil || n.value() == "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return faultBadHeader("The header To holds no address. ")
	}
	r.to = n.value()
	return nil
}

func (r *request) readReplyTo(n *element) *soapFault {
	if n.child(nsAddr, "Address").value() != anonymous {
		return faultAddressingMode
	}
	return nil
}

func (r *request) readSelectors(n *element) *soapFault {
	for _, k := range n.kids {
		name, named := k.attr("Name")
		if !k.is(nsWSMan, "Selector") || !named {
			return faultSchema
		}
		if _, twice := r.selectors[name]; twice {
			return faultSelectors("DuplicateSelectors", codeDuplicateSelectors)
		}
		r.selectors[name] = k.value()
	}
	return nil
}

func (r *request) readOptions(n *element) *soapFault {
	for _, k := range n.kids {
		name, named := k.attr("Name")
		if !k.is(nsWSMan, "Option") || !named {
			return faultSchema
		}
		must, _ := k.attr("MustComply")
		if comply, _ := parseBool(must); comply && !knownOptions[strings.ToUpper(name)] {
			return faultOptions
		}
		r.options[strings.ToUpper(name)] = k.value()
	}
	return nil
}

// knownOptions are those of a text-based command shell (MS-WSMV 3.1.4).
var knownOptions = map[string]bool{"WINRS_NOPROFILE": true, "WINRS_CODEPAGE": true, "WINRS_SKIP_CMD_SHELL": true,
	"WINRS_CONSOLEMODE_STDIN": true, "WSMAN_CMDSHELL_OPTION_KEEPALIVE": true}

func (r *request) readTimeout(n *element) *soapFault {
	d, err := parseDuration(n.value())
	if err != nil || d <= 0 {
		return faultBadHeader(fmt.Sprintf("The XML contains an invalid timeout field in the SOAP header: %s. ", n.value()))
	}
	r.timeout = d
	return nil
}

// readMaxSize: less than 8,192 bytes cannot hold a fault (DSP0226).
func (r *request) readMaxSize(n *element) *soapFault {
	size, err := strconv.ParseUint(n.value(), 10, 32)
	if err != nil {
		return faultBadHeader("The header MaxEnvelopeSize holds no size. ")
	}
	if size < 8192 {
		return faultMinEnvelope
	}
	r.maxSize = int(min(size, 1<<31-1))
	return nil
}

func (r *request) readLocale(n *element) *soapFault {
	if mustUnderstand(n) {
		return faultLocale
	}
	return nil
}

var durationForm = regexp.MustCompile(`\AP(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?\z`)

// parseDuration reads an xs:duration of days and less.
func parseDuration(s string) (time.Duration, error) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil || s == "P" || strings.HasSuffix(s, "T") {
		return 0, errors.New("not a duration of days, hours, minutes and seconds")
	}
	var seconds float64
	for i, unit := range []float64{86400, 3600, 60, 1} {
		if m[i+1] == "" {
			continue
		}
		v, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return 0, err
		}
		seconds += v * unit
	}
	const ceiling = 100 * 365 * 86400
	return time.Duration(min(seconds, ceiling) * float64(time.Second)), nil
}

// parseBool reads xs:boolean; the recorded client writes True and False, and Windows takes it.
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "1":
		return true, true
	case "false", "0", "":
		return false, true
	}
	return false, false
}
