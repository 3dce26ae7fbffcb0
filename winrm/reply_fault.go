package winrm

import (
	"fmt"
	"strconv"
	"strings"
)

// fault reads s:Fault (SOAP 1.2 part 1, 5.4).
func (p *parser) fault(f *Fault) error {
	var reason string
	err := p.each(func() error {
		switch {
		case p.is(nsSOAP, "Code"):
			return p.faultCode(f)
		case p.is(nsSOAP, "Reason"):
			return p.one(nsSOAP, "Text", &reason)
		case p.is(nsSOAP, "Detail"):
			return p.faultDetail(f)
		}
		return p.skip()
	})
	if f.Message == "" {
		f.Message = clean(reason, 500)
	}
	return err
}

func (p *parser) faultCode(f *Fault) error {
	return p.each(func() error {
		if !p.is(nsSOAP, "Subcode") {
			return p.skip()
		}
		var value string
		if err := p.one(nsSOAP, "Value", &value); err != nil {
			return err
		}
		_, local, _ := strings.Cut(value, ":")
		f.Subcode = clean(local, 80)
		return nil
	})
}

func (p *parser) faultDetail(f *Fault) error {
	return p.each(func() error {
		switch {
		case p.is(nsFault, "WSManFault"):
			return p.wsmanFault(f, false)
		case string(p.local) == "MSFT_WmiError":
			return p.wmiError(f)
		}
		return p.skip()
	})
}

// wsmanFault reads f:WSManFault; the one inside a provider's text is nested.
func (p *parser) wsmanFault(f *Fault, nested bool) error {
	var code uint32
	if text := p.attr("Code"); text != nil {
		var err error
		if code, err = parseCode(text); err != nil {
			return err
		}
	}
	if nested {
		f.inner = code
	} else {
		f.Code = code
	}
	return p.each(func() error {
		if p.is(nsFault, "Message") {
			return p.faultMessage(f, &f.Message)
		}
		return p.skip()
	})
}

// faultMessage reads mixed content: text, and what the provider says, which may be a fault of its own.
func (p *parser) faultMessage(f *Fault, into *string) error {
	var text []byte
	for {
		e, err := p.next()
		switch {
		case err != nil:
			return err
		case e == endTag:
			if s := clean(string(text), 500); s != "" && *into == "" {
				*into = s
			}
			return nil
		case e == endOfFile:
			return errTruncated
		case e == textRun && p.raw:
			text = append(text, p.text...)
		case e == textRun:
			text, err = appendText(text, p.text)
		case e == startTag && p.is(nsFault, "ProviderFault"):
			err = p.provider(f)
		case e == startTag && p.is(nsFault, "WSManFault"):
			err = p.wsmanFault(f, true)
		case e == startTag:
			err = p.skip()
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) provider(f *Fault) error {
	name := clean(string(p.attr("provider")), 100)
	var said string
	if err := p.faultMessage(f, &said); err != nil {
		return err
	}
	if f.Provider == "" && said != "" {
		f.Provider = said
		if name != "" {
			f.Provider = name + ": " + said
		}
	}
	return nil
}

// wmiError reads p:MSFT_WmiError, by which newer hosts tell what their quotas refused; its namespace names the WMI namespace.
func (p *parser) wmiError(f *Fault) error {
	return p.each(func() error {
		var text string
		switch string(p.local) {
		case "error_Code":
			if err := p.string(&text); err != nil {
				return err
			}
			code, err := parseCode([]byte(text))
			f.Code = code
			return err
		case "Message":
			err := p.string(&text)
			f.Message = clean(text, 500)
			return err
		}
		return p.skip()
	})
}

// parseCode reads an unsigned number; some hosts write codes above 2^31 as negative ones.
func parseCode(text []byte) (uint32, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return 0, fmt.Errorf("the code of a fault is %q", clean(string(text), 40))
	}
	return uint32(n), nil
}
