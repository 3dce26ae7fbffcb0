package winrm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// newID is an identifier as Windows writes them: a random UUID in upper case.
func newID() string { return strings.ToUpper(uuid.NewString()) }

// A message is one request on its way.
type message struct {
	action    string
	messageID string // without uuid:
	envelope  []byte
	written   func() // called when envelope is no longer needed, before the answer; nil where it is kept
}

// prelude is what all envelopes of a session have in common.
type prelude struct {
	to        string // https://host:port/wsman
	sessionID string
	envelope  int // MaxEnvelopeSize: the largest answer we take
}

const shellURI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"

// headers of a message, besides those that all have.
type headers struct {
	action    string
	messageID string
	timeout   time.Duration // OperationTimeout
	options   string        // of the OptionSet, as XML; empty for none
	shellID   string        // ShellId of the SelectorSet; empty for Create
}

// begin appends an envelope to the start tag of its body. The order of elements is that of recorded requests.
func (p *prelude) begin(b []byte, h headers) []byte {
	b = append(b, `<s:Envelope xmlns:rsp="`+nsShell+`" xmlns:s="`+nsSOAP+`" xmlns:wsa="`+nsAddressing+`" xmlns:wsman="`+nsWSMan+
		`" xmlns:wsmv="`+nsWSManMS+`"><s:Header><wsa:Action s:mustUnderstand="true">`...)
	b = append(b, h.action...)
	b = append(b, `</wsa:Action><wsmv:DataLocale s:mustUnderstand="false" xml:lang="en-US"/><wsman:Locale s:mustUnderstand="false" xml:lang="en-US"/>`+
		`<wsman:MaxEnvelopeSize s:mustUnderstand="true">`...)
	b = strconv.AppendInt(b, int64(p.envelope), 10)
	b = append(append(append(b, `</wsman:MaxEnvelopeSize><wsa:MessageID>uuid:`...), h.messageID...), `</wsa:MessageID><wsman:OperationTimeout>`...)
	b = append(append(b, seconds(h.timeout)...), `</wsman:OperationTimeout><wsa:ReplyTo><wsa:Address s:mustUnderstand="true">`+nsAddressing+
		`/role/anonymous</wsa:Address></wsa:ReplyTo><wsman:ResourceURI s:mustUnderstand="true">`+shellURI+
		`</wsman:ResourceURI><wsmv:SessionId s:mustUnderstand="false">uuid:`...)
	b = append(append(b, p.sessionID...), `</wsmv:SessionId><wsa:To>`...)
	b = append(appendEscaped(b, p.to), `</wsa:To>`...)
	if h.options != "" {
		b = append(append(append(b, `<wsman:OptionSet s:mustUnderstand="true">`...), h.options...), `</wsman:OptionSet>`...)
	}
	if h.shellID != "" {
		b = append(append(append(b, `<wsman:SelectorSet><wsman:Selector Name="ShellId">`...), h.shellID...), `</wsman:Selector></wsman:SelectorSet>`...)
	}
	return append(b, `</s:Header><s:Body>`...)
}

const envelopeEnd = `</s:Body></s:Envelope>`

// Options of Create (MS-WSMV 3.1.4.5.2), Command (3.1.4.11) and Receive (3.1.4.14), spelt as Windows' own client does.
const (
	createOptions  = `<wsman:Option Name="WINRS_NOPROFILE">TRUE</wsman:Option><wsman:Option Name="WINRS_CODEPAGE">65001</wsman:Option>`
	commandOptions = `<wsman:Option Name="WINRS_CONSOLEMODE_STDIN">FALSE</wsman:Option><wsman:Option Name="WINRS_SKIP_CMD_SHELL">TRUE</wsman:Option>`
	receiveOptions = `<wsman:Option Name="WSMAN_CMDSHELL_OPTION_KEEPALIVE">TRUE</wsman:Option>`
)

func (p *prelude) create(shellID string, idle, timeout time.Duration) message {
	m := message{action: actionCreate, messageID: newID()}
	b := p.begin(nil, headers{action: m.action, messageID: m.messageID, timeout: timeout, options: createOptions})
	b = append(append(append(b, `<rsp:Shell ShellId="`...), shellID...), `"><rsp:InputStreams>stdin</rsp:InputStreams>`+
		`<rsp:OutputStreams>stdout stderr</rsp:OutputStreams><rsp:IdleTimeOut>`...)
	b = append(append(b, seconds(idle)...), `</rsp:IdleTimeOut></rsp:Shell>`...)
	m.envelope = append(b, envelopeEnd...)
	return m
}

// command starts program with arguments in one piece, which Windows appends to the command line as they are.
func (p *prelude) command(shellID, commandID, program, arguments string, timeout time.Duration) message {
	m := message{action: actionCommand, messageID: newID()}
	b := p.begin(nil, headers{action: m.action, messageID: m.messageID, timeout: timeout, options: commandOptions, shellID: shellID})
	b = append(append(append(b, `<rsp:CommandLine CommandId="`...), commandID...), `"><rsp:Command>`...)
	b = append(appendEscaped(b, program), `</rsp:Command>`...)
	if arguments != "" {
		b = append(appendEscaped(append(b, `<rsp:Arguments>`...), arguments), `</rsp:Arguments>`...)
	}
	m.envelope = append(b, `</rsp:CommandLine>`+envelopeEnd...)
	return m
}

const (
	sendOpen  = `<rsp:Send><rsp:Stream CommandId="`
	sendMid   = `" Name="stdin">`
	sendEnd   = `" End="true" Name="stdin">`
	sendClose = `</rsp:Stream></rsp:Send>` + envelopeEnd
)

// send takes as much of input as fits into an envelope of limit bytes, appended to buf, and tells how much it was. The message with the
// last of it ends the stream.
func (p *prelude) send(buf []byte, shellID, commandID string, input []byte, limit int, timeout time.Duration) (message, int) {
	m := message{action: actionSend, messageID: newID()}
	b := p.begin(buf, headers{action: m.action, messageID: m.messageID, timeout: timeout, shellID: shellID})
	b = append(append(b, sendOpen...), commandID...)
	room := max(1, (limit-len(b)-len(sendEnd)-len(sendClose))/4) * 3 // base64 makes 4 of 3
	n := min(room, len(input))
	if n == len(input) {
		b = append(b, sendEnd...)
	} else {
		b = append(b, sendMid...)
	}
	b = appendBase64(b, input[:n])
	m.envelope = append(b, sendClose...)
	return m, n
}

func (p *prelude) receive(shellID, commandID string, timeout time.Duration) message {
	m := message{action: actionReceive, messageID: newID()}
	b := p.begin(nil, headers{action: m.action, messageID: m.messageID, timeout: timeout, options: receiveOptions, shellID: shellID})
	b = append(append(append(b, `<rsp:Receive><rsp:DesiredStream CommandId="`...), commandID...), `">stdout stderr</rsp:DesiredStream></rsp:Receive>`...)
	m.envelope = append(b, envelopeEnd...)
	return m
}

// signal tells the host that the command is not needed any more (MS-WSMV 2.2.4.38).
func (p *prelude) signal(shellID, commandID string, timeout time.Duration) message {
	m := message{action: actionSignal, messageID: newID()}
	b := p.begin(nil, headers{action: m.action, messageID: m.messageID, timeout: timeout, shellID: shellID})
	b = append(append(append(b, `<rsp:Signal CommandId="`...), commandID...), `"><rsp:Code>`+nsShell+`/signal/terminate</rsp:Code></rsp:Signal>`...)
	m.envelope = append(b, envelopeEnd...)
	return m
}

func (p *prelude) delete(shellID string, timeout time.Duration) message {
	m := message{action: actionDelete, messageID: newID()}
	b := p.begin(nil, headers{action: m.action, messageID: m.messageID, timeout: timeout, shellID: shellID})
	m.envelope = append(b, envelopeEnd...)
	return m
}

// seconds is d as an xs:duration.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return "PT" + strconv.FormatInt(int64(d/time.Second), 10) + "S"
	}
	return fmt.Sprintf("PT%.3fS", d.Seconds())
}

// appendEscaped appends text as XML character data.
func appendEscaped(b []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		case '\r':
			b = append(b, "&#13;"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// inXML tells whether text can stand in XML 1.0 at all.
func inXML(text string) bool {
	for _, r := range text {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return utf8.ValidString(text)
}
