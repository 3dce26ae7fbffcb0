package winrm

import (
	"strconv"
	"time"
)

// Namespaces and actions of WS-Enumeration, as DSP0226 section 8 takes them up.
const (
	nsEnumeration   = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
	actionEnumerate = nsEnumeration + "/Enumerate"
	actionPull      = nsEnumeration + "/Pull"
	actionRelease   = nsEnumeration + "/Release"

	wmiURI     = "http://schemas.microsoft.com/wbem/wsman/1/wmi/" // MS-WSMV 2.2.1
	dialectWQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"  // MS-WSMV 2.2.4.26
)

// beginWMI appends an envelope to the start tag of its body, for all classes of a namespace.
func (p *prelude) beginWMI(m message, namespace string, timeout time.Duration) []byte {
	b := append([]byte(nil), `<s:Envelope xmlns:s="`+nsSOAP+`" xmlns:wsa="`+nsAddressing+`" xmlns:wsman="`+nsWSMan+`" xmlns:wsmv="`+nsWSManMS+
		`" xmlns:wsen="`+nsEnumeration+`"><s:Header><wsa:Action s:mustUnderstand="true">`...)
	b = append(append(b, m.action...), `</wsa:Action><wsmv:DataLocale s:mustUnderstand="false" xml:lang="en-US"/>`+
		`<wsman:Locale s:mustUnderstand="false" xml:lang="en-US"/><wsman:MaxEnvelopeSize s:mustUnderstand="true">`...)
	b = strconv.AppendInt(b, int64(p.envelope), 10)
	b = append(append(append(b, `</wsman:MaxEnvelopeSize><wsa:MessageID>uuid:`...), m.messageID...), `</wsa:MessageID><wsman:OperationTimeout>`...)
	b = append(append(b, seconds(timeout)...), `</wsman:OperationTimeout><wsa:ReplyTo><wsa:Address s:mustUnderstand="true">`+nsAddressing+
		`/role/anonymous</wsa:Address></wsa:ReplyTo><wsman:ResourceURI s:mustUnderstand="true">`+wmiURI...)
	b = append(append(b, namespace...), `/*</wsman:ResourceURI><wsmv:SessionId s:mustUnderstand="false">uuid:`...)
	b = append(append(b, p.sessionID...), `</wsmv:SessionId><wsa:To>`...)
	return append(appendEscaped(b, p.to), `</wsa:To></s:Header><s:Body>`...)
}

// enumerate asks a query, and wants the first instances with the answer (DSP0226 8.2.3).
func (p *prelude) enumerate(namespace, wql string, timeout time.Duration) message {
	m := message{action: actionEnumerate, messageID: newID()}
	b := p.beginWMI(m, namespace, timeout)
	b = append(b, `<wsen:Enumerate><wsman:OptimizeEnumeration/><wsman:MaxElements>`...)
	b = strconv.AppendInt(b, maxElements, 10)
	b = append(b, `</wsman:MaxElements><wsman:Filter Dialect="`+dialectWQL+`">`...)
	b = append(appendEscaped(b, wql), `</wsman:Filter></wsen:Enumerate>`+envelopeEnd...)
	m.envelope = b
	return m
}

// pull asks for what comes next (DSP0226 8.4).
func (p *prelude) pull(namespace, context string, timeout time.Duration) message {
	m := message{action: actionPull, messageID: newID()}
	b := append(p.beginWMI(m, namespace, timeout), `<wsen:Pull><wsen:EnumerationContext>`...)
	b = append(appendEscaped(b, context), `</wsen:EnumerationContext><wsen:MaxElements>`...)
	b = strconv.AppendInt(b, maxElements, 10)
	m.envelope = append(b, `</wsen:MaxElements></wsen:Pull>`+envelopeEnd...)
	return m
}

// release tells that no more is wanted (DSP0226 8.5).
func (p *prelude) release(namespace, context string, timeout time.Duration) message {
	m := message{action: actionRelease, messageID: newID()}
	b := append(p.beginWMI(m, namespace, timeout), `<wsen:Release><wsen:EnumerationContext>`...)
	m.envelope = append(appendEscaped(b, context), `</wsen:EnumerationContext></wsen:Release>`+envelopeEnd...)
	return m
}
