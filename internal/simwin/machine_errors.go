package simwin

import "fmt"

// HRESULTs of the errors that the inside gives, as .NET's exceptions carry them.
const (
	accessDenied      = 0x80070005
	securityException = 0x8013150a
	fileNotFound      = 0x80070002
	pathNotFound      = 0x80070003
	sharingViolation  = 0x80070020
	lockViolation     = 0x80070021
	fileExists        = 0x80070050
	alreadyExists     = 0x800700b7
	diskFull          = 0x80070070
	invalidName       = 0x8007007b
	invalidOwner      = 0x8007051b
	quotaExceeded     = 0x80070718
	folderNotEmpty    = 0x80070091
	notAFolder        = 0x8007010b
)

// A winError is an exception: what it says is for people, the HRESULT decides.
type winError struct {
	hresult uint32
	text    string
}

func (e winError) Error() string { return fmt.Sprintf("%s (%#x)", e.text, e.hresult) }
