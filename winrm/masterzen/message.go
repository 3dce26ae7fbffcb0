package masterzen

import (
	"errors"
	"fmt"
	"strings"
)

// Actions of a remote shell (MS-WSMV 3.1.4).
const (
	actionCreate  = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
	actionCommand = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command"
	actionSend    = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send"
	actionReceive = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive"
)

// A message is an envelope as masterzen wrote it, completed.
type message struct {
	text   string
	action string // URI
	id     string // MessageID without uuid:
}

var errNotMasterzens = errors.New("it is not written as masterzen/winrm writes it; is the version another one?")

// complete reads what the message is, and adds what masterzen leaves out. Its header comes before anything that a caller has written, so that the
// first element of a name is the right one.
func (t *Transporter) complete(text string) (message, error) {
	m := message{text: text, action: content(text, "a:Action"), id: strings.TrimPrefix(content(text, "a:MessageID"), "uuid:")}
	if m.action == "" || m.id == "" {
		return m, errNotMasterzens
	}
	var err error
	switch {
	case m.action == actionCreate && t.shell != nil:
		m.text, err = edit(text,
			change{`Name="WINRS_NOPROFILE">FALSE<`, `Name="WINRS_NOPROFILE">TRUE<`},
			change{`<rsp:Shell>`, `<rsp:Shell ShellId="` + strings.ToUpper(t.shell.id) + `">`},
			change{`</rsp:Shell>`, `<rsp:IdleTimeOut>` + seconds(t.shell.idle) + `</rsp:IdleTimeOut></rsp:Shell>`})
	case m.action == actionCommand && t.shell != nil:
		m.text, err = edit(text,
			change{`Name="WINRS_CONSOLEMODE_STDIN">TRUE<`, `Name="WINRS_CONSOLEMODE_STDIN">FALSE<`},
			change{`Name="WINRS_SKIP_CMD_SHELL">FALSE<`, `Name="WINRS_SKIP_CMD_SHELL">TRUE<`})
	case m.action == actionSend && t.last && !m.ended():
		m.text, err = edit(text, change{`<rsp:Stream `, `<rsp:Stream End="true" `})
	}
	if err == nil && t.maxMessage > 0 && len(m.text) > t.maxMessage {
		err = fmt.Errorf("it has %d bytes, more than max_envelope", len(m.text))
	}
	return m, err
}

// ended tells whether a Send ends the input.
func (m *message) ended() bool {
	_, stream, _ := strings.Cut(m.text, "<rsp:Stream ")
	tag, _, _ := strings.Cut(stream, ">")
	return strings.Contains(tag, `End="true"`)
}

type change struct{ from, to string }

// edit makes changes to the first place of each; a place that is missing is an error.
func edit(text string, changes ...change) (string, error) {
	for _, c := range changes {
		before, after, ok := strings.Cut(text, c.from)
		if !ok {
			return "", errNotMasterzens
		}
		text = before + c.to + after
	}
	return text, nil
}

// content is what the first element of that name holds; empty when there is none.
func content(text, name string) string {
	_, rest, _ := strings.Cut(text, "<"+name)
	_, rest, _ = strings.Cut(rest, ">")
	inner, _, ok := strings.Cut(rest, "</"+name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(inner)
}

// withoutDeclaration takes a byte order mark and the XML declaration off an answer.
func withoutDeclaration(answer string) string {
	answer = strings.TrimSpace(strings.TrimPrefix(answer, "\ufeff"))
	if strings.HasPrefix(answer, "<?xml") {
		_, answer, _ = strings.Cut(answer, "?>")
	}
	return answer
}
