package winrm

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
)

// TestChannel: messages of one's own, on one sealed connection.
func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSealedHost(t, 1, "proof")
		ch, err := negotiating(t, h, photopush.Denied).Dial(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		p := prelude{to: ch.URL(), sessionID: newID(), envelope: 512000}
		for _, status := range []int{200, 500, 200} {
			m := p.create(newID(), time.Minute, time.Second)
			if status == 500 {
				m = p.delete(newID(), time.Second)
			}
			answer, got, err := ch.Post(t.Context(), m.envelope)
			if err != nil || got != status || !bytes.Contains(answer, []byte(m.messageID)) {
				t.Errorf("got %q, %d, %v", answer, got, err)
			}
		}
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := ch.Post(t.Context(), nil); err == nil {
			t.Error("a message was sent on a closed channel")
		}
	})
}

// TestCheck: what Channel.Check makes of answers.
func TestCheck(t *testing.T) {
	const id, shell, command = "8C7EC6D4-09B5-4D9F-A1F5-1F5A6BD0A4A1", "<rsp:Shell><rsp:ShellId>S</rsp:ShellId></rsp:Shell>",
		"<rsp:CommandResponse><rsp:CommandId>C</rsp:CommandId></rsp:CommandResponse>"
	c := testClient(t, testConfig(t), func(context.Context, string, string) (net.Conn, error) { panic("dialled") })
	c.cfg.MaxOutput = 64 << 10
	l, err := c.newLink(testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	ch := &Channel{l}
	envelope := func(action, relatesTo, body string) string { return fmt.Sprintf(hostEnvelope, action, relatesTo, body) }
	fault := faultAnswer(&soapRequest{MessageID: id}, faultUnexpectedSelectors, "gone").body
	for name, test := range map[string]struct {
		action, answer string
		status         int
		want           string
	}{
		"shell":            {actionCreate, envelope(actionCreate+"Response", id, shell), 200, ""},
		"command":          {actionCommand, envelope(actionCommand+"Response", id, command), 200, ""},
		"other case":       {actionCommand, envelope(actionCommand+"Response", "8c7ec6d4-09b5-4d9f-a1f5-1f5a6bd0a4a1", command), 200, ""},
		"deleted":          {actionDelete, envelope(actionDelete+"Response", id, ""), 200, ""},
		"other message":    {actionCreate, envelope(actionCreate+"Response", newID(), shell), 200, "unsupported: not an answer of WinRM: it answers another request (RelatesTo)"},
		"other action":     {actionCreate, envelope(actionDelete+"Response", id, shell), 200, `unsupported: not an answer of WinRM: the action is "` + actionDelete + `Response"`},
		"fault":            {actionDelete, fault, 500, "timeout: fault 2150858843 (UNEXPECTED_SELECTORS): gone; the shell or the command is gone there"},
		"no shell":         {actionCreate, envelope(actionCreate+"Response", id, ""), 200, "unsupported: not an answer of WinRM: a shell was made, but its ShellId is missing"},
		"no command":       {actionCommand, envelope(actionCommand+"Response", id, shell), 200, "unsupported: not an answer of WinRM: a command was made, but its CommandId is missing"},
		"500":              {actionCreate, envelope(actionCreate+"Response", id, shell), 500, "unsupported: HTTP status 500 Internal Server Error: " + knownStatus[500].name},
		"long identifier":  {actionCreate, envelope(actionCreate+"Response", id, strings.Replace(shell, "S<", strings.Repeat("S", maxID+1)+"<", 1)), 200, "unsupported: not an answer of WinRM: the ShellId is no identifier"},
		"longest":          {actionReceive, envelope(actionReceive+"Response", id, printed(64<<10)), 200, ""},
		"too much output":  {actionReceive, envelope(actionReceive+"Response", id, printed(64<<10+1)), 200, "script: the command printed more than 65536 bytes (max_output)"},
		"no XML":           {actionCreate, "HTTP", 200, "unsupported: not an answer of WinRM: the XML is not well-formed"},
		"command, not one": {actionCommand, envelope(actionCommand+"Response", id, "<rsp:CommandResponse><rsp:CommandId>&lt;</rsp:CommandId></rsp:CommandResponse>"), 200, "unsupported: not an answer of WinRM: the CommandId is no identifier"},
	} {
		err := ch.Check([]byte(test.answer), test.status, test.action, id)
		if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != "read answer of ws1.corp.example: "+test.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, test.want)
		}
	}
}

// printed is an answer with n bytes of output.
func printed(n int) string {
	return `<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="C">` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `</rsp:Stream></rsp:ReceiveResponse>`
}
