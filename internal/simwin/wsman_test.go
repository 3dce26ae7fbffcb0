package simwin

import (
	"strings"
	"testing"
	"time"
)

func TestFaultsOfRequests(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	good := c.envelope(actionCreate, "", `<rsp:Shell/>`)
	for _, k := range []struct {
		name, from, to string
		code           uint32
	}{
		{"no XML", good, "<", codeInvalidXML},
		{"a DTD", "<s:Envelope", `<!DOCTYPE x [<!ENTITY y "z">]><s:Envelope`, codeInvalidXML},
		{"not UTF-8", "<rsp:Shell/>", "<rsp:Shell>\xff</rsp:Shell>", codeInvalidXML},
		{"SOAP 1.1", nsSOAP, "http://schemas.xmlsoap.org/soap/envelope/", codeSOAPVersion},
		{"no body", "s:Body", "s:Trunk", codeInvalidBody},
		{"two bodies in one", "<rsp:Shell/>", "<rsp:Shell/><rsp:Shell/>", codeInvalidBody},
		{"no action", actionCreate, "", codeMissingHeader},
		{"no message id", "MessageID", "Nothing", codeMissingHeader},
		{"no address", "wsa:To", "wsa:From", codeMissingHeader},
		{"another action", actionCreate, nsXfer + "/Put", codeActionNotSupported},
		{"another resource", resourceCmd, "http://schemas.microsoft.com/powershell/Missing", codeInvalidResource},
		{"a header nobody knows", "<wsa:MessageID>", `<wsman:New s:mustUnderstand="1"/><wsa:MessageID>`, codeMustUnderstand},
		{"a header twice", "<wsa:MessageID>", "<wsa:MessageID>x</wsa:MessageID><wsa:MessageID>", codeBadHeader},
		{"a negative timeout", "PT20S", "PT-1S", codeBadHeader},
		{"an empty timeout", "PT20S", "PT", codeBadHeader},
		{"no size", ">512000<", ">big<", codeBadHeader},
		{"too small a size", ">512000<", ">8191<", codeMinEnvelope},
		{"a locale that must be", `wsman:Locale s:mustUnderstand="false"`, `wsman:Locale s:mustUnderstand="true"`, codeLocale},
		{"an answer to elsewhere", anonymous, "http://elsewhere/", codeAddressingMode},
		{"no shell", "<rsp:Shell/>", "<rsp:Other/>", codeSchema},
		{"unknown streams", "<rsp:Shell/>", "<rsp:Shell><rsp:OutputStreams>pr</rsp:OutputStreams></rsp:Shell>", codeInvalidParameter},
		{"an option that must be", "<wsa:MessageID>", `<wsman:OptionSet><wsman:Option Name="NEW" MustComply="true">x</wsman:Option></wsman:OptionSet><wsa:MessageID>`, codeInvalidOptions},
		{"a selector twice", "<wsa:MessageID>", `<wsman:SelectorSet><wsman:Selector Name="a"/><wsman:Selector Name="a"/></wsman:SelectorSet><wsa:MessageID>`, codeDuplicateSelectors},
		{"a selector without a name", "<wsa:MessageID>", `<wsman:SelectorSet><wsman:Selector/></wsman:SelectorSet><wsa:MessageID>`, codeSchema},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := dial(t, s)
			if !strings.Contains(good, k.from) {
				t.Fatal("nothing is changed")
			}
			c.wantFaultIn(k.code, c.post(500, strings.ReplaceAll(good, k.from, k.to)))
		})
	}
	c.post(200, strings.Replace(good, "<wsa:MessageID>", `<wsman:New s:mustUnderstand="0"/><wsman:OptionSet><wsman:Option Name="NEW">x</wsman:Option></wsman:OptionSet><wsa:MessageID>`, 1))
	// an older public client leaves the namespace of mustUnderstand out
	c.post(200, strings.ReplaceAll(good, "s:mustUnderstand", "mustUnderstand"))
}

// What a fault relates to is said even when the fault is in the headers.
func TestFaultRelatesToItsRequest(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	root := c.post(500, strings.Replace(c.message("0A", actionCreate, "", ""), "PT20S", "x", 1))
	if got := root.child(nsSOAP, "Header").child(nsAddr, "RelatesTo").value(); got != "uuid:0A" {
		t.Error(got)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT60S": time.Minute, "PT60.000S": time.Minute, "P1DT1H1M1.5S": 25*time.Hour + 61*time.Second + 500*time.Millisecond, "P2D": 48 * time.Hour,
		"PT0S": 0, "P999999999D": 100 * 365 * 24 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "P1DT", "60", "-PT1S", "PT-1S", "PT1.S", "P1Y", "PT1S1M", "PT99999999999S"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestXMLIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"too deep":        strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1),
		"too many":        "<a>" + strings.Repeat("<b/>", maxElements) + "</a>",
		"two documents":   "<a/><b/>",
		"text before":     "x<a/>",
		"text behind":     "<a/>x",
		"an instruction":  `<?xml-stylesheet href="x"?><a/>`,
		"never closed":    "<a>",
		"unknown entity":  "<a>&x;</a>",
		"nothing":         "",
		"control letters": "<a>\x00</a>",
	} {
		if _, err := parseXML([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := parseXML([]byte(strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth))); err != nil {
		t.Error(err)
	}
}

func FuzzParseRequest(f *testing.F) {
	c := &client{s: &Server{}, shell: newID(), maxSize: 512000, timeout: "PT20S"}
	for _, action := range []string{actionCreate, actionCommand, actionSend, actionReceive, actionSignal, actionDelete} {
		f.Add([]byte(c.envelope(action, "", `<rsp:Shell ShellId="x"><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>`)), false)
	}
	f.Add(encodeText([]byte(c.envelope(actionCreate, "", "")), utf16BigEndian), true)
	f.Fuzz(func(t *testing.T, body []byte, wide bool) {
		text, cs, err := decodeText(body, wide)
		if err != nil {
			return
		}
		r, bad := parseRequest(text, cs)
		if r == nil {
			t.Fatal("no request beside the fault")
		}
		a := &answer{action: r.action, namespaces: prefixesFull}
		if bad != nil {
			a = faultAnswer(bad)
		} else if !r.identify && (r.action == "" || r.messageID == "" || r.to == "") {
			t.Fatalf("taken without its headers: %q", text)
		}
		a.action = actionCreate
		if _, err := parseXML(a.envelope(r, "host", newID())); err != nil {
			t.Fatalf("%v: %s", err, a.envelope(r, "host", ""))
		}
	})
}

// TestLongTexts: texts that are taken out of a document before it is parsed are in it afterwards, wherever they stand.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("QUJD", longText/4)
	many := strings.Repeat("<b>"+long+"</b>", maxTaken+2)
	for name, x := range map[string]struct{ document, want string }{
		"alone":              {"<a>" + long + "</a>", long},
		"beside others":      {"<a>x<c/>" + long + "<c/>" + long + "<c/>&amp;</a>", "x" + long + long + "&"},
		"in a section":       {"<a><![CDATA[>" + long + "<]]></a>", ">" + long + "<"},
		"in a comment":       {"<a>1<!-- >" + long + "< -->2</a>", "12"},
		"with a mark":        {"<a>" + string(firstMark) + "<c/>" + long + "</a>", string(firstMark) + long},
		"with a reference":   {"<a>&#xE000;<c/>" + long + "</a>", string(firstMark) + long},
		"not base64":         {"<a>" + long + "-" + "</a>", long + "-"},
		"short":              {"<a>QUJD</a>", "QUJD"},
		"more than there is": {"<a>" + many + "y</a>", "y"},
	} {
		e, err := parseXML([]byte(x.document))
		if err != nil || e.text != x.want {
			t.Errorf("%s: %v", name, err)
		}
		for _, kid := range e.kids {
			if kid.name == "b" && kid.text != long {
				t.Errorf("%s: an element with %d bytes", name, len(kid.text))
			}
		}
	}
	if _, err := parseXML([]byte(`<a b=">` + long + `<"/>`)); err == nil {
		t.Error("a tag in an attribute")
	}
}
