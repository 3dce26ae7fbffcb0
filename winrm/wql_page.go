package winrm

import (
	"bytes"
	"errors"
	"strings"
)

// Bounds of one answer.
const (
	maxProperties = 500      // values of one instance
	maxValue      = 32 << 10 // bytes of one value
	maxContext    = 4 << 10  // bytes of an enumeration context
)

var (
	errManyValues  = errors.New("an instance has too many values")
	errLongValue   = errors.New("a value of an instance is too long")
	errLongContext = errors.New("the enumeration context is too long")
	errManyItems   = errors.New("one answer has too many instances")
)

// An Instance is what a query found. Names and values are the workstation's word: bounded, valid UTF-8, and nothing more.
type Instance struct {
	Class  string              // XmlFragment when the query names single properties
	values map[string][]string // without those that are null
}

// Text is the first value of a property; "" when it is null or was not asked for.
func (i Instance) Text(property string) string {
	if v := i.values[property]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values are all values of a property, which is an array when there are more than one.
func (i Instance) Values(property string) []string { return i.values[property] }

// A page is one answer of an enumeration.
type page struct {
	reply     reply // header and fault
	instances []Instance
	context   string
	end       bool
}

// readPage reads the answer to m. A fault is an error of type *Fault.
func readPage(body []byte, m message, status int) (*page, error) {
	pg, err := parsePage(body)
	if err != nil {
		return nil, err
	}
	return pg, pg.reply.answers(m, status)
}

// parsePage reads EnumerateResponse, PullResponse or a fault (DSP0226 8.2 to 8.4). Errors are *malformedError.
func parsePage(body []byte) (*page, error) {
	pg := new(page)
	p := pageParser{parser: parser{scanner: scanner{in: body}, reply: &pg.reply}, page: pg}
	if err := p.wrapped(p.content); err != nil {
		return nil, &malformedError{err}
	}
	return pg, nil
}

type pageParser struct {
	parser
	page *page
}

// wrapped reads an envelope, and its body's children with f.
func (p *parser) wrapped(f func() error) error {
	for {
		e, err := p.next()
		switch {
		case err != nil:
			return err
		case e == endOfFile:
			return errNoEnvelope
		case e != startTag:
			continue
		case !p.is(nsSOAP, "Envelope"):
			return errNoEnvelope
		}
		break
	}
	bodies := 0
	err := p.each(func() error {
		switch {
		case p.is(nsSOAP, "Header"):
			return p.header()
		case p.is(nsSOAP, "Body"):
			bodies++
			return p.each(f)
		}
		return p.skip()
	})
	switch {
	case err != nil:
		return err
	case bodies != 1:
		return errNoBody
	}
	return p.trailer()
}

func (p *pageParser) content() error {
	switch {
	case p.is(nsSOAP, "Fault"):
		p.reply.fault = new(Fault)
		return p.fault(p.reply.fault)
	case p.is(nsEnumeration, "EnumerateResponse"), p.is(nsEnumeration, "PullResponse"):
		return p.each(p.part)
	}
	return p.skip()
}

// part reads a child of a response. Items and EndOfSequence come in the namespace of WS-Management or of WS-Enumeration, by the message.
func (p *pageParser) part() error {
	if !p.is(nsEnumeration, string(p.local)) && !p.is(nsWSMan, string(p.local)) {
		return p.skip()
	}
	switch string(p.local) {
	case "EnumerationContext":
		text, err := p.parser.content()
		if len(text) > maxContext {
			return errLongContext
		}
		p.page.context = string(bytes.TrimSpace(text))
		return err
	case "Items":
		return p.each(p.instance)
	case "EndOfSequence":
		p.page.end = true
	}
	return p.skip()
}

func (p *pageParser) instance() error {
	if len(p.page.instances) == maxElements {
		return errManyItems
	}
	i := Instance{Class: clean(string(p.local), 256), values: make(map[string][]string)}
	n := 0
	err := p.each(func() error {
		if n++; n > maxProperties {
			return errManyValues
		}
		name := clean(string(p.local), 256)
		null := p.attr("nil")
		isNull := string(null) == "true" || string(null) == "1"
		text, err := p.value()
		if err == nil && !isNull {
			i.values[name] = append(i.values[name], text)
		}
		return err
	})
	p.page.instances = append(p.page.instances, i)
	return err
}

// value is the text of a property, to its end. Dates stand in an element of their own inside: cim:Datetime, or Datetime in a fragment.
func (p *pageParser) value() (string, error) {
	b := p.scratch[:0]
	for depth := p.depth; p.depth >= depth; {
		e, err := p.next()
		switch {
		case err != nil:
			return "", err
		case e == endOfFile:
			return "", errTruncated
		case e == textRun && len(b)+len(p.text) > maxValue:
			return "", errLongValue
		case e == textRun && p.raw:
			b = append(b, p.text...)
		case e == textRun:
			if b, err = appendText(b, p.text); err != nil {
				return "", err
			}
		}
	}
	p.scratch = b
	return strings.ToValidUTF8(string(bytes.TrimSpace(b)), "\ufffd"), nil
}
