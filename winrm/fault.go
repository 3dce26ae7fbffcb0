package winrm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	photopush "github.com/photopush/photopush"
)

// A Fault is what a workstation answered instead of a result: a SOAP fault with a WSManFault (MS-WSMV 2.2.4.43) or an MSFT_WmiError.
// Its texts are the workstation's, in its language, for people only.
type Fault struct {
	Code     uint32 // Win32 error, HRESULT or WinRM code; 0 when the fault has none
	Subcode  string // of the SOAP fault, without prefix: InvalidSelectors, TimedOut, AccessDenied
	Message  string // at most 500 characters
	Provider string // what the shell plug-in said, with its name; at most 500 characters

	inner uint32 // code of a WSManFault inside the provider's text; 0 when there is none
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fault %d", f.Code)
	if k := known(f.Code); k != nil {
		fmt.Fprintf(&b, " (%s)", k.name)
	} else if f.Subcode != "" {
		fmt.Fprintf(&b, " (%s)", f.Subcode)
	}
	for _, text := range []string{f.Provider, f.Message} {
		if text != "" {
			b.WriteString(": " + text)
			break
		}
	}
	if remedy := f.Remedy(); remedy != "" {
		b.WriteString("; " + remedy)
	}
	return b.String()
}

// Remedy is what to do about it, where the sentence of its Reason does not say that; it ends the text of Error. Empty for nothing.
func (f *Fault) Remedy() string {
	if k := known(f.Code); k != nil {
		return k.remedy
	}
	return ""
}

// Reason is what the fault means for what happens next; Internal for one that is not known.
func (f *Fault) Reason() photopush.Reason {
	for _, code := range []uint32{f.Code, f.inner} {
		if k := known(code); k != nil {
			return k.reason
		}
	}
	if f.Subcode == "AccessDenied" {
		return photopush.Denied
	}
	return photopush.Internal
}

// known looks a code up; an HRESULT that wraps a Win32 error (0x8007nnnn) counts as that error.
func known(code uint32) *knownFault {
	if code>>16 == 0x8007 {
		code &= 0xffff
	}
	if k, ok := knownFaults[code]; ok {
		return &k
	}
	return nil
}

// hasFault tells whether err is a fault with one of the codes.
func hasFault(err error, codes ...uint32) bool {
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if f.Code == code || f.Code>>16 == 0x8007 && f.Code&0xffff == code {
			return true
		}
	}
	return false
}

// A statusError is an answer of the HTTP server below WinRM, without a fault.
type statusError struct{ status int }

func (e *statusError) Error() string {
	s := fmt.Sprintf("HTTP status %d", e.status)
	if text := http.StatusText(e.status); text != "" {
		s += " " + text
	}
	if k, ok := knownStatus[e.status]; ok {
		s += ": " + k.name
	}
	return s
}

// Remedy is what to do about it.
func (e *statusError) Remedy() string {
	if k, ok := knownStatus[e.status]; ok {
		return k.remedy
	}
	if e.status == http.StatusUnauthorized {
		return ""
	}
	return notWinRM
}

// Reason is what the status means for what happens next.
func (e *statusError) Reason() photopush.Reason {
	if k, ok := knownStatus[e.status]; ok {
		return k.reason
	}
	return photopush.Unsupported
}

// tooLarge tells whether the host refused a message for its size, so that it was not processed.
func tooLarge(err error) bool {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status == http.StatusRequestEntityTooLarge
	}
	return hasFault(err, faultEnvelopeTooLarge, faultMaxEnvelope, faultMaxEnvelopeExceeded, faultServerEnvelope)
}

// clean makes text of a workstation fit for one line of a log or a page.
func clean(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	for i := range text {
		if limit--; limit < 0 {
			return text[:i] + "…"
		}
	}
	return text
}
