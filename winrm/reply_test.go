package winrm

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func envelopeOf(body string) string {
	return fmt.Sprintf(hostEnvelope, actionReceive+"Response", "ID", body)
}

func detail(xml string) string {
	return envelopeOf(`<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:InternalError</s:Value></s:Subcode></s:Code>` +
		`<s:Reason><s:Text xml:lang="en-US">The reason</s:Text></s:Reason><s:Detail xmlns:f="` + nsFault + `">` + xml + `</s:Detail></s:Fault>`)
}

// TestFaultShapes has both shapes, and what hosts make of them.
func TestFaultShapes(t *testing.T) {
	for _, test := range []struct {
		name, detail string
		want         Fault
	}{
		{"message", `<f:WSManFault Code="5" Machine="m"><f:Message>Access &lt;denied&gt; &#38; out </f:Message></f:WSManFault>`,
			Fault{Code: 5, Subcode: "InternalError", Message: "Access <denied> & out"}},
		{"provider", `<f:WSManFault Code="2147942402"><f:Message><f:ProviderFault provider="Shell cmd plugin" path="x">No such file </f:ProviderFault></f:Message></f:WSManFault>`,
			Fault{Code: 2147942402, Subcode: "InternalError", Message: "The reason", Provider: "Shell cmd plugin: No such file"}},
		{"nested", `<f:WSManFault Code="2150858755"><f:Message><f:ProviderFault provider="p"><f:WSManFault Code="5"><f:Message>inner</f:Message></f:WSManFault>outer</f:ProviderFault></f:Message></f:WSManFault>`,
			Fault{Code: 2150858755, Subcode: "InternalError", Message: "inner", Provider: "p: outer", inner: 5}},
		{"WMI", `<p:MSFT_WmiError xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/MSFT_WmiError"><p:CIMStatusCode>27</p:CIMStatusCode>` +
			`<p:error_Code>2150859173</p:error_Code><p:Message>The maximum number of concurrent shells</p:Message></p:MSFT_WmiError>`,
			Fault{Code: 2150859173, Subcode: "InternalError", Message: "The maximum number of concurrent shells"}},
		{"WMI, negative", `<p:MSFT_WmiError xmlns:p="x"><p:error_Code>-2144108123</p:error_Code></p:MSFT_WmiError>`,
			Fault{Code: 2150859173, Subcode: "InternalError", Message: "The reason"}},
		{"no code", `<f:WSManFault><f:Message>what</f:Message></f:WSManFault>`, Fault{Subcode: "InternalError", Message: "what"}},
		{"no detail", ``, Fault{Subcode: "InternalError", Message: "The reason"}},
		{"control characters", "<f:WSManFault Code=\"1\"><f:Message>a\n\tb&#7;&#x202e;c<![CDATA[ <d> &amp;]]></f:Message></f:WSManFault>",
			Fault{Code: 1, Subcode: "InternalError", Message: "a b c <d> &amp;"}},
		{"long", `<f:WSManFault Code="1"><f:Message>` + strings.Repeat("ä", 10_000) + `</f:Message></f:WSManFault>`,
			Fault{Code: 1, Subcode: "InternalError", Message: strings.Repeat("ä", 500) + "…"}},
	} {
		var r reply
		if err := parse([]byte(detail(test.detail)), &r, 1000); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(&test.want, r.fault, cmp.AllowUnexported(Fault{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func receiveBody(inside string) string {
	return envelopeOf(`<rsp:ReceiveResponse>` + inside + `</rsp:ReceiveResponse>`)
}

const doneState = `<rsp:CommandState CommandId="C" State="` + stateDone + `">`

// TestMalformed: each of these is refused, with a reason.
func TestMalformed(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"empty":            {"", errNoEnvelope.Error()},
		"text":             {"hello", errSyntax.Error()},
		"no envelope":      {"<a/>", errNoEnvelope.Error()},
		"other namespace":  {`<s:Envelope xmlns:s="x"><s:Body/></s:Envelope>`, errNoEnvelope.Error()},
		"no body":          {`<s:Envelope xmlns:s="` + nsSOAP + `"></s:Envelope>`, errNoBody.Error()},
		"two bodies":       {`<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body/><s:Body/></s:Envelope>`, errNoBody.Error()},
		"truncated":        {envelopeOf("")[:300], errTruncated.Error()},
		"two documents":    {envelopeOf("") + envelopeOf(""), errSyntax.Error()},
		"DTD":              {`<!DOCTYPE lolz [<!ENTITY lol "lol">]>` + envelopeOf(""), errDTD.Error()},
		"entity":           {envelopeOf(`<rsp:CommandResponse><rsp:CommandId>&lol;</rsp:CommandId></rsp:CommandResponse>`), errSyntax.Error()},
		"deep":             {envelopeOf(strings.Repeat("<a>", 100)), errNesting.Error()},
		"crossed":          {envelopeOf("<a><b></a></b>"), errSyntax.Error()},
		"attributes":       {envelopeOf("<a" + strings.Repeat(` x="y"`, 100) + "/>"), "an element has more than 32 attributes"},
		"namespaces":       {envelopeOf("<a" + strings.Repeat(` xmlns:x="y"`, 100) + "/>"), "there are more than 64 namespaces"},
		"undeclared":       {envelopeOf("<zz:a/>"), `the prefix "zz" is not declared`},
		"attribute syntax": {envelopeOf(`<a x=y/>`), errSyntax.Error()},
		"no gap":           {envelopeOf(`<a x="1"y="2"/>`), errSyntax.Error()},
		"less than":        {envelopeOf(`<a x="<"/>`), errSyntax.Error()},
		"streams":          {receiveBody(strings.Repeat(`<rsp:Stream Name="stdout" CommandId="C"/>`, maxStreams+1)), "one answer has more than 10000 pieces of output"},
		"stream name":      {receiveBody(`<rsp:Stream Name="pr" CommandId="C"/>`), `there is no stream "pr"`},
		"stream base64":    {receiveBody(`<rsp:Stream Name="stdout" CommandId="C">!!</rsp:Stream>`), "illegal base64 data at input byte 0"},
		"stream child":     {receiveBody(`<rsp:Stream Name="stdout" CommandId="C"><a/></rsp:Stream>`), errSyntax.Error()},
		"two commands":     {receiveBody(`<rsp:Stream Name="stdout" CommandId="C"/><rsp:Stream Name="stdout" CommandId="D"/>`), errTwoIDs.Error()},
		"no exit code":     {receiveBody(doneState + `</rsp:CommandState>`), errNoExitCode.Error()},
		"exit code":        {receiveBody(doneState + `<rsp:ExitCode>none</rsp:ExitCode></rsp:CommandState>`), `the exit code is "none"`},
		"large exit code":  {receiveBody(doneState + `<rsp:ExitCode>4294967296</rsp:ExitCode></rsp:CommandState>`), `the exit code is "4294967296"`},
		"fault code":       {detail(`<f:WSManFault Code="many"/>`), `the code of a fault is "many"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := parse([]byte(test.in), new(reply), 1000)
			if _, ok := errors.AsType[*malformedError](err); !ok || err.Error() != "not an answer of WinRM: "+test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestWellFormed: what XML allows, and Windows does or might do.
func TestWellFormed(t *testing.T) {
	want := reply{action: actionReceive + "Response", relatesTo: "uuid:ID", streamID: "C", stdout: []byte("hello"), streams: 2, done: true, exitCode: 1<<32 - 1}
	for name, in := range map[string]string{
		"BOM and declaration": "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- hi -->" + receiveBody(`<rsp:Stream Name="stdout" CommandId="C">aGVs</rsp:Stream>`+
			`<rsp:Stream Name="stdout" CommandId="C" End="true">bG8=</rsp:Stream>`+doneState+`<rsp:ExitCode>4294967295</rsp:ExitCode></rsp:CommandState>`),
		"white space": receiveBody(" <rsp:Stream\r\n Name = 'stdout' CommandId='C' >\r\n aG\nVs \n</rsp:Stream > <rsp:Stream Name=\"stdout\" CommandId=\"C\">bG8=</rsp:Stream>" +
			doneState + `<rsp:ExitCode> -1 </rsp:ExitCode></rsp:CommandState>`),
		"default namespace": receiveBody(`<Stream xmlns="` + nsShell + `" Name="stdout" CommandId="C">aGVs</Stream><x:Stream xmlns:x="` + nsShell +
			`" Name="stdout" CommandId="C">bG8=</x:Stream>` + doneState + `<rsp:Other><rsp:ExitCode>1</rsp:ExitCode></rsp:Other><rsp:ExitCode>4294967295</rsp:ExitCode></rsp:CommandState>`),
		"unknown things": receiveBody(`<rsp:New a="b"><rsp:Stream Name="x"/>text</rsp:New><rsp:Stream Name="stdout" CommandId="C">aGVs</rsp:Stream>` +
			`<rsp:Stream Name="stdout" CommandId="C"><![CDATA[bG8=]]></rsp:Stream>` + doneState + `<rsp:ExitCode>4294967295</rsp:ExitCode></rsp:CommandState>`),
	} {
		var got reply
		if err := parse([]byte(in), &got, 1000); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(reply{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOutputBound(t *testing.T) {
	in := []byte(receiveBody(`<rsp:Stream Name="stdout" CommandId="C">` + strings.Repeat("AAAA", 10) + `</rsp:Stream>`))
	for limit, want := range map[int]string{30: "", 29: "the command printed more than 29 bytes (max_output)"} {
		err := parse(in, new(reply), limit)
		if got := fmt.Sprint(err); got != want && !(want == "" && err == nil) {
			t.Errorf("limit %d: got %v, want %q", limit, err, want)
		}
	}
}

// seeds are answers of all kinds.
func seeds() []string {
	return []string{
		receiveBody(`<rsp:Stream Name="stdout" CommandId="C">aGVs</rsp:Stream><rsp:Stream Name="stderr" CommandId="C" End="true"/>` + doneState +
			`<rsp:ExitCode>1</rsp:ExitCode></rsp:CommandState>`),
		envelopeOf(`<rsp:Shell><rsp:ShellId>A</rsp:ShellId></rsp:Shell>`),
		envelopeOf(`<rsp:CommandResponse><rsp:CommandId>A</rsp:CommandId></rsp:CommandResponse>`),
		detail(`<f:WSManFault Code="5"><f:Message><f:ProviderFault provider="p"><f:WSManFault Code="6"/>x</f:ProviderFault></f:Message></f:WSManFault>`),
		detail(`<p:MSFT_WmiError xmlns:p="x"><p:error_Code>1</p:error_Code><p:Message>m</p:Message></p:MSFT_WmiError>`),
		`<?xml version="1.0"?><!-- --><s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><![CDATA[x]]></s:Body></s:Envelope>`,
	}
}

// FuzzParse: no answer makes the parser panic, or believe what encoding/xml takes for no XML, or find output beyond the limit.
func FuzzParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r reply
		err := parse(in, &r, 1000)
		if len(r.stdout)+len(r.stderr) > 1000 && err == nil {
			t.Errorf("%d bytes of output", len(r.stdout)+len(r.stderr))
		}
		if err == nil && r.fault == nil && (r.shellID != "" || r.commandID != "" || r.streams > 0) && strict(in) && !sameOutput(in, &r) {
			t.Errorf("encoding/xml reads %q differently", in)
		}
	})
}

// strict tells whether encoding/xml takes in for one document of XML.
func strict(in []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(in, []byte("\ufeff"))))
	for {
		if _, err := d.Token(); err != nil {
			return err == io.EOF
		}
	}
}

// sameOutput reads in with encoding/xml and compares the identifiers.
func sameOutput(in []byte, r *reply) bool {
	var e struct {
		XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
		Bodies  []struct {
			Shells []struct {
				IDs []string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell ShellId"`
			} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Shell"`
			Commands []struct {
				IDs []string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell CommandId"`
			} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell CommandResponse"`
		} `xml:"http://www.w3.org/2003/05/soap-envelope Body"`
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(in, []byte("\ufeff")), &e); err != nil || len(e.Bodies) != 1 {
		return false
	}
	shell, command := "", ""
	for _, s := range e.Bodies[0].Shells {
		for _, id := range s.IDs {
			shell = id
		}
	}
	for _, c := range e.Bodies[0].Commands {
		for _, id := range c.IDs {
			command = id
		}
	}
	return strings.TrimSpace(shell) == r.shellID && strings.TrimSpace(command) == r.commandID
}

// FuzzFault: no detail of a fault makes the parser panic, and texts of faults stay short and printable.
func FuzzFault(f *testing.F) {
	f.Add(`<f:WSManFault Code="5"><f:Message>text</f:Message></f:WSManFault>`)
	f.Add(`<f:WSManFault Code="-5"><f:Message><f:ProviderFault provider="p"><f:WSManFault Code="6"/>x</f:ProviderFault></f:Message></f:WSManFault>`)
	f.Add(`<p:MSFT_WmiError xmlns:p="x"><p:error_Code>1</p:error_Code><p:Message>m</p:Message></p:MSFT_WmiError>`)
	f.Fuzz(func(t *testing.T, in string) {
		var r reply
		if err := parse([]byte(detail(in)), &r, 1000); err != nil || r.fault == nil {
			return
		}
		text := r.fault.Error()
		if strings.ContainsAny(text, "\r\n\t\x00\x1b") || len(text) > 4*(500+100+200) {
			t.Errorf("the fault says %q", text)
		}
		if reason := r.fault.Reason(); reason.Sentence() == "" {
			t.Errorf("reason %q", reason)
		}
	})
}
