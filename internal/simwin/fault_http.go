package simwin

import (
	"net/http"
	"strings"
	"time"
)

// before does what the faults do to a request that is not carried out yet: it returns the answer in place of the right one, or nil.
func (x *call) before() *reply {
	for _, f := range x.faults {
		switch f.Mode {
		case Silent:
			x.hang(nil, x.s.faults.change())
			x.drop()
		case Slow:
			fired, stop := x.s.options.Clock.After(f.Delay)
			x.hang(fired, nil)
			stop()
		case Wait:
			f.reached.Do(func() {
				if f.Reached != nil {
					close(f.Reached)
				}
			})
			x.hang(nil, f.Release)
		case LoseBefore:
			x.drop()
		default:
			if r := x.instead(f); r != nil {
				return r
			}
		}
	}
	return nil
}

// hang waits for either; the request is over when the server is closed, or the power is cut.
func (x *call) hang(fired <-chan time.Time, done <-chan struct{}) {
	select {
	case <-fired:
	case <-done:
	case <-x.http.Context().Done():
		x.drop()
	}
}

func (x *call) instead(f *armed) *reply {
	switch f.Mode {
	case Refuse:
		return &reply{status: f.Status, close: true}
	case AnswerFault:
		return x.envelope(faultAnswer(faultByCode(f.Code)))
	case Garbage:
		return &reply{status: http.StatusOK, contentType: soapType, body: []byte("\x00\xff<s:Envelope\x01 this is no XML </s:Envel")}
	case EmptyError:
		return &reply{status: http.StatusInternalServerError, close: true}
	case Oversize:
		size := f.Size
		if size == 0 {
			size = 16 << 20
		}
		r := x.envelope(&answer{action: actionReceive + "Response", namespaces: prefixesReceive, body: `<rsp:ReceiveResponse><rsp:Stream Name="stdout">`})
		r.body = append(r.body, strings.Repeat("A", max(0, size-len(r.body)))...)
		return r
	case Endless:
		return &reply{status: http.StatusOK, contentType: soapType, endless: true}
	}
	return nil
}

// after does what the faults do to the answer of a request that was carried out.
func (x *call) after(r *reply) *reply {
	for _, f := range x.faults {
		switch f.Mode {
		case LoseAfter:
			x.drop()
		case LoseMidway:
			r.midway = true
		case WrongType:
			r.contentType = "text/html; charset=us-ascii"
		}
	}
	return r
}

// drop cuts the TCP connection; http.ErrAbortHandler tells net/http that it was on purpose.
func (x *call) drop() {
	x.c.Close()
	panic(http.ErrAbortHandler)
}
