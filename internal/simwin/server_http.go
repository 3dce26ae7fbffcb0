package simwin

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const soapType = "application/soap+xml;charset=UTF-8"

// A call is one HTTP request on its way through the service.
type call struct {
	s    *Server
	c    *connection
	http *http.Request

	body     []byte
	tooLarge bool
	excess   bool // more requests are worked on than MaxConnections
	verdict  verdict
	sealer   Sealer // the message came sealed, and so goes its answer
	media    mediaType
	request  *request // what is known of it; nil when nothing is
	bad      *soapFault
	faults   []*armed
	at       arrival
}

type mediaType int

const (
	mediaSOAP mediaType = iota
	mediaSealed
	mediaOther
	mediaCharset // SOAP in a character set that is not supported
)

// A reply is an HTTP answer.
type reply struct {
	status      int
	contentType string
	header      http.Header
	body        []byte
	close       bool // the connection ends with it
	endless     bool
	midway      bool
}

// ServeHTTP answers one request; it is http.Handler for the server's own listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	active := s.begin()
	if active == 0 {
		panic(http.ErrAbortHandler)
	}
	defer s.end()
	x := &call{s: s, c: connectionOf(r), http: r, excess: active > s.options.Limits.MaxConnections}
	x.read(w)
	x.at = s.meter.requestArrived(x.c, x.request.shellID())
	action := x.request.short()
	if hook := s.options.OnRequest; hook != nil {
		hook(x.at.n, action)
	}
	x.faults = s.faults.hit(x.at, action)
	answer := x.before()
	if answer == nil {
		answer = x.serve()
		if hook := s.options.OnAnswer; hook != nil {
			hook(x.at.n, action)
		}
		answer = x.after(answer)
	}
	x.c.answered(s.options.Clock.Now())
	x.write(w, answer)
}

// read takes the request in: body, account, envelope. What is wrong with it is answered later.
func (x *call) read(w http.ResponseWriter) {
	limit := int64(x.s.options.Limits.MaxEnvelopeSize)
	body, err := io.ReadAll(http.MaxBytesReader(w, x.http.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		x.tooLarge = true
	} else if err != nil {
		x.drop()
	}
	x.body = body
	x.verdict = x.s.authenticate(x.c, x.http)
	if !x.tooLarge && len(body) > 0 {
		x.parse()
	}
	x.mapCertificate()
}

// mapCertificate: which account a certificate stands for depends on the resource, too.
func (x *call) mapCertificate() {
	c, ok := x.verdict.exchange.(*certificateExchange)
	if !ok || x.request == nil || x.request.identify {
		return
	}
	account, err := c.account(x.request.resource)
	if err != nil {
		x.s.refused(mutualProfile, err)
	}
	x.verdict.account = account
}

func (x *call) parse() {
	declared := x.readMedia()
	text := x.body
	if x.media == mediaSealed {
		sealer, ok := x.verdict.exchange.(Sealer)
		if !ok || x.verdict.account == "" {
			x.media = mediaOther
			return
		}
		plain, err := sealer.Unseal(x.http.Header, x.body)
		if err != nil {
			x.verdict = verdict{}
			return
		}
		x.sealer, text = sealer, plain
	}
	if x.media == mediaOther || x.media == mediaCharset {
		return
	}
	text, cs, err := decodeText(text, declared)
	if err != nil {
		x.request, x.bad = &request{}, faultInvalidXML
		return
	}
	x.request, x.bad = parseRequest(text, cs)
}

// readMedia looks at the content type, and tells whether it declares UTF-16.
func (x *call) readMedia() (utf16 bool) {
	name, parameters, err := mime.ParseMediaType(x.http.Header.Get("Content-Type"))
	charset := strings.ToLower(parameters["charset"])
	switch {
	case err != nil:
		x.media = mediaOther
	case name == "multipart/encrypted":
		x.media = mediaSealed
	case name != "application/soap+xml":
		x.media = mediaOther
	case charset != "" && charset != "utf-8" && charset != "utf-16":
		x.media = mediaCharset
	}
	return charset == "utf-16"
}

// serve carries the request out: what http.sys looks at first, then the service.
func (x *call) serve() *reply {
	if !strings.EqualFold(strings.TrimSuffix(x.http.URL.Path, "/"), "/wsman") {
		return &reply{status: http.StatusNotFound, close: true}
	}
	if x.http.Method != http.MethodPost {
		return &reply{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {"POST"}}, close: true}
	}
	if x.tooLarge { // as public clients report it, and wsmerror.h has it (HTTP_REQUEST_TOO_LARGE_STATUS)
		return &reply{status: http.StatusRequestEntityTooLarge, close: true}
	}
	if x.request != nil && x.request.identify && strings.EqualFold(x.http.Header.Get("WSMANIDENTIFY"), "unauthenticated") {
		return x.identify(`0.0.0 SP: 0.0`, nil)
	}
	if x.verdict.account == "" {
		return x.unauthorized()
	}
	r := x.service()
	if x.verdict.token != "" {
		r.header = http.Header{"Www-Authenticate": {x.verdict.scheme + " " + x.verdict.token}}
	}
	return r
}

// unauthorized: a refused client's connection is closed, one in the middle of an exchange stays.
func (x *call) unauthorized() *reply {
	if x.verdict.more {
		return &reply{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {x.verdict.scheme + " " + x.verdict.token}}}
	}
	offers := x.s.options.Offers
	if x.verdict.token != "" { // why it was refused
		offers = []string{x.verdict.scheme + " " + x.verdict.token}
	}
	return &reply{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": offers}, close: !x.verdict.expired}
}

func (x *call) service() *reply {
	switch {
	case len(x.body) == 0 && x.verdict.signedIn:
		return &reply{status: http.StatusOK} // the last leg of an exchange needs no message
	case len(x.body) == 0:
		return &reply{status: http.StatusBadRequest, close: true}
	case x.media == mediaOther:
		return &reply{status: http.StatusUnsupportedMediaType, close: true}
	case x.http.TLS == nil && x.sealer == nil:
		return &reply{status: http.StatusInternalServerError, close: true} // AllowUnencrypted is false
	case x.excess:
		return x.envelope(faultAnswer(faultSystemQuota))
	case x.media == mediaCharset:
		return x.envelope(faultAnswer(faultCharset))
	case x.bad != nil:
		return x.envelope(faultAnswer(x.bad))
	case x.request.identify:
		return x.identify(x.s.options.Version, x.s.options.Offers)
	}
	a := x.dispatch()
	if a == nil {
		x.drop()
	}
	return x.envelope(a)
}

func (x *call) identify(version string, offers []string) *reply {
	return x.soap(http.StatusOK, encodeText(identifyAnswer(version, offers), x.request.charset))
}

// envelope is a SOAP answer; a fault is HTTP 500. One that is larger than the client takes becomes a fault.
func (x *call) envelope(a *answer) *reply {
	message := x.message(a)
	if r := x.request; a.fault == nil && r != nil && r.maxSize > 0 && len(message) > r.maxSize {
		a = faultAnswer(faultTooLarge(len(message), r.maxSize))
		message = x.message(a)
	}
	if a.fault != nil {
		return x.soap(http.StatusInternalServerError, message)
	}
	return x.soap(http.StatusOK, message)
}

// message is an answer as its request was written, in its character set.
func (x *call) message(a *answer) []byte {
	activity, to := newID(), "//"+x.http.Host
	if x.s.options.Old {
		activity = ""
	}
	if x.request != nil && x.request.to != "" {
		to = x.request.to
	}
	message := a.envelope(x.request, hostOf(to, x.s.options.Host), activity)
	if x.request == nil {
		return message
	}
	return encodeText(message, x.request.charset)
}

// soap answers with a message, sealed as its request was.
func (x *call) soap(status int, message []byte) *reply {
	r := &reply{status: status, contentType: soapType, body: message}
	if x.request != nil && x.request.charset != utf8Charset {
		r.contentType = "application/soap+xml;charset=UTF-16"
	}
	if x.sealer == nil {
		return r
	}
	contentType, body, err := x.sealer.Seal(r.body)
	if err != nil {
		x.s.options.Log.Error("cannot seal an answer", "host", x.s.options.Host, "err", err)
		x.drop()
	}
	r.contentType, r.body = contentType, body
	return r
}

func (x *call) write(w http.ResponseWriter, r *reply) {
	h := w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	h.Set("Server", "Microsoft-HTTPAPI/2.0")
	if r.close {
		h.Set("Connection", "close")
	}
	h["Content-Type"] = nil // none is guessed
	if r.contentType != "" {
		h.Set("Content-Type", r.contentType)
	}
	if r.endless {
		x.writeEndless(w, r.status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	if r.midway {
		_, _ = w.Write(r.body[:len(r.body)/2])
		_ = http.NewResponseController(w).Flush()
		x.drop()
	}
	_, _ = w.Write(r.body) // a client that is gone needs no answer
}

func (x *call) writeEndless(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	block := []byte(strings.Repeat("A", 64<<10))
	for x.http.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
	x.drop()
}

// clientIP is the address a request came from.
func (x *call) clientIP() string {
	host, _, err := net.SplitHostPort(x.http.RemoteAddr)
	if err != nil {
		return x.http.RemoteAddr
	}
	return host
}
