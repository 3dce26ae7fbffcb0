package simwin

import (
	"fmt"
	"strconv"
	"strings"
)

// Codes of WSManFault: Windows errors, and those of wsmerror.h (0x80338000 and above).
const (
	codeAccessDenied        = 5
	codeInvalidParameter    = 87
	codeAborted             = 995
	codeWMIClass            = 0x80041010
	codeFileNotFound        = 0x80070002
	codePipeClosing         = 0x800700E8
	codeNameTooLong         = 0x800700CE
	codeSOAPVersion         = 0x8033800D
	codeBadHeader           = 0x8033800F
	codeMustUnderstand      = 0x80338010
	codeMissingHeader       = 0x80338011
	codeActionNotSupported  = 0x80338013
	codeFilterDialect       = 0x80338019
	codeFilter              = 0x8033801A
	codeEnumerationContext  = 0x8033801B
	codeInvalidBody         = 0x80338027
	codeTimedOut            = 0x80338029
	codeURILimit            = 0x8033802D
	codeInvalidOptions      = 0x80338039
	codeInvalidResource     = 0x8033803B
	codeQuotaLimit          = 0x8033803F
	codeSchema              = 0x80338041
	codeUnsupportedFeature  = 0x80338042
	codeInvalidXML          = 0x80338043
	codeMaxEnvelopeExceeded = 0x80338048
	codeCharacterSet        = 0x8033804C
	codeInsufficient        = 0x8033805A
	codeUnexpectedSelectors = 0x8033805B
	codeDuplicateSelectors  = 0x8033805F
	codeAddressingMode      = 0x80338076
	codeMinEnvelope         = 0x8033807E
	codeLocale              = 0x80338087
	codeWMIStar             = 0x803380FB
	codeWMIAccessDenied     = 0x80338104
	codeCommandID           = 0x803381D4
	codeShellID             = 0x803381D5
	codeCommandExists       = 0x803381D6
	codeShellExists         = 0x803381D7
	codeMaxShells           = 0x803381A5
	codeMaxOperations       = 0x803381A6
	codeUserQuota           = 0x803381A7
	codeSystemQuota         = 0x803381A8
	codeDifferentToken      = 0x803381A9
	codeMaxShellUsers       = 0x803381AB
	codeShellsNotAllowed    = 0x803381AC
	codeCommandsPerShell    = 0x803381E9
	codeIdleTimeOut         = 0x803381F2
)

// A soapFault is the answer to a request that is not carried out (DSP0226, section 14; recorded answers). HTTP status is 500.
type soapFault struct {
	code       uint32
	sender     bool   // s:Sender, else s:Receiver
	subcode    string // with its prefix
	detail     string // last part of w:FaultDetail; empty for none
	reason     string
	message    string // what f:Message says; empty for the reason
	provider   string // of the fault; empty for the service itself
	understand string // s:MustUnderstand has no subcode; the header that was not understood
}

func (f *soapFault) say(message string) *soapFault {
	g := *f
	g.message = message
	return &g
}

// action is the fault URI of WS-Addressing or WS-Enumeration for what they name, else WS-Management's (recorded answers; WS-Enumeration, section 4).
func (f *soapFault) action() string {
	switch {
	case strings.HasPrefix(f.subcode, "a:") || f.subcode == "":
		return nsAddr + "/fault"
	case strings.HasPrefix(f.subcode, "n:"):
		return nsEnum + "/fault"
	}
	return "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
}

func (f *soapFault) soapCode() string {
	switch {
	case f.code == codeSOAPVersion:
		return "s:VersionMismatch"
	case f.understand != "":
		return "s:MustUnderstand"
	case f.sender:
		return "s:Sender"
	}
	return "s:Receiver"
}

// body is the s:Fault element. machine is the name by which the client knows this host.
func (f *soapFault) body(machine string) string {
	var b strings.Builder
	b.WriteString(`<s:Fault><s:Code><s:Value>` + f.soapCode() + `</s:Value>`)
	if f.subcode != "" {
		b.WriteString(`<s:Subcode><s:Value>` + f.subcode + `</s:Value></s:Subcode>`)
	}
	b.WriteString(`</s:Code><s:Reason><s:Text xml:lang="en-US">` + escape(f.reason) + `</s:Text></s:Reason><s:Detail>`)
	if f.detail != "" {
		b.WriteString(`<w:FaultDetail>http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/` + f.detail + `</w:FaultDetail>`)
	}
	message := f.message
	if message == "" {
		message = f.reason
	}
	message = escape(message)
	if f.provider != "" {
		message = `<f:ProviderFault ` + f.provider + `>` + message + `</f:ProviderFault>`
	}
	b.WriteString(`<f:WSManFault xmlns:f="` + nsFault + `" Code="` + strconv.FormatUint(uint64(f.code), 10) + `" Machine="` + escape(machine) + `"><f:Message>` +
		message + `</f:Message></f:WSManFault></s:Detail></s:Fault>`)
	return b.String()
}

// The plugins, as a ProviderFault names them. That of the shell is recorded, that of WMI is in public reports.
const (
	shellPlugin = `provider="Shell cmd plugin" path="%systemroot%\system32\winrscmd.dll"`
	wmiPlugin   = `provider="WMI Provider" path="%systemroot%\system32\WsmWmiPl.dll"`
)

// Recorded: timedOut, unknownCommand, noCommandID, fileNotFound, a bad timeout header. Quoted in public reports: unknownShell, maxShells,
// maxOperations, accessDenied, shellsNotAllowed (texts and codes). All others: code and text from wsmerror.h, subcode from DSP0226, not seen on a wire.
var (
	faultTimedOut = &soapFault{code: codeTimedOut, subcode: "w:TimedOut",
		reason: "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  "}
	faultUnknownCommand = faultSelectors("UnexpectedSelectors", codeUnexpectedSelectors).say(
		"The Windows Remote Shell received a request to perform an operation on a command identifier that does not exist. " +
			"Either the command has completed execution or the client specified an invalid command identifier. ")
	faultBadParameter = &soapFault{code: codeInvalidParameter, sender: true, subcode: "w:InvalidParameter", detail: "InvalidValue",
		reason: "The parameter is incorrect. ", provider: shellPlugin}
	faultFileNotFound = &soapFault{code: codeFileNotFound, subcode: "w:InternalError",
		reason: "The system cannot find the file specified. ", provider: shellPlugin}
	faultNameTooLong = &soapFault{code: codeNameTooLong, subcode: "w:InternalError",
		reason: "The filename or extension is too long. ", provider: shellPlugin}
	faultAborted = &soapFault{code: codeAborted, subcode: "w:InternalError", provider: shellPlugin,
		reason: "The I/O operation has been aborted because of either a thread exit or an application request. "}
	faultPipeClosing = &soapFault{code: codePipeClosing, subcode: "w:InternalError",
		reason: "The pipe is being closed. ", provider: shellPlugin}
	faultAccessDenied = &soapFault{code: codeAccessDenied, sender: true, subcode: "w:AccessDenied", reason: "Access is denied. "}

	faultInvalidXML = &soapFault{code: codeInvalidXML, sender: true, subcode: "w:SchemaValidationError",
		reason: "The WS-Management service cannot process the request because the XML is invalid. "}
	faultInvalidBody = &soapFault{code: codeInvalidBody, sender: true, subcode: "w:SchemaValidationError",
		reason: "The WS-Management service cannot process the request because the request packet does not have a valid SOAP body. "}
	faultVersion = &soapFault{code: codeSOAPVersion,
		reason: "The WS-Management service does not support the SOAP version specified in the request. "}
	faultSchema = &soapFault{code: codeSchema, sender: true, subcode: "w:SchemaValidationError",
		reason: "The SOAP XML in the message does not match the corresponding XML schema definition. Change the XML and retry. "}
	faultCharset = &soapFault{code: codeCharacterSet, sender: true, subcode: "w:UnsupportedFeature", detail: "CharacterSet",
		reason: "The WS-Management service does not support the character set used in the request. Change the request to use UTF-8 or UTF-16. "}
	faultMinEnvelope = &soapFault{code: codeMinEnvelope, sender: true, subcode: "w:EncodingLimit", detail: "MinimumEnvelopeLimit",
		reason: "The WS-Management service cannot process the request because the envelope size in the request is too small. "}
	faultURILimit = &soapFault{code: codeURILimit, sender: true, subcode: "w:EncodingLimit", detail: "URILimit",
		reason: "The URI is longer than the maximum length allowed. "}
	faultAddressingMode = &soapFault{code: codeAddressingMode, sender: true, subcode: "w:UnsupportedFeature", detail: "AddressingMode",
		reason: "The WS-Management service does not support the addressing mode. "}
	faultLocale = &soapFault{code: codeLocale, sender: true, subcode: "w:UnsupportedFeature", detail: "Locale",
		reason: "The WS-Management service cannot guarantee that all data is returned in the requested locale as some data sources may not be " +
			"able to comply. Resend the remote request with locale as a hint (the SOAP header should have mustUnderstand=\"false\") "}
	faultResource = &soapFault{code: codeInvalidResource, sender: true, subcode: "a:DestinationUnreachable", detail: "InvalidResourceURI",
		reason: "The WS-Management service cannot process the request. The resource URI is missing or it has an incorrect format. " +
			"Check the documentation or use the following command for information on how to construct a resource URI: \"winrm help uris\". "}
	faultAction = &soapFault{code: codeActionNotSupported, sender: true, subcode: "a:ActionNotSupported",
		reason: "The WS-Management service does not support the action specified in the request. "}
	faultOptions = &soapFault{code: codeInvalidOptions, sender: true, subcode: "w:InvalidOptions", detail: "InvalidValue",
		reason: "The WS-Management service cannot process the request because one or more options are not valid. "}
	faultShellExists = &soapFault{code: codeShellExists, sender: true, subcode: "w:AlreadyExists",
		reason: "The WinRM service cannot process the request. A resource already exists with the shell ID specified by the client. "}
	faultCommandExists = &soapFault{code: codeCommandExists, sender: true, subcode: "w:AlreadyExists",
		reason: "The WinRM service cannot process the request. A command already exists with the command ID specified by the client. "}
	faultShellID = &soapFault{code: codeShellID, sender: true, subcode: "w:InvalidParameter", detail: "InvalidValue",
		reason: "The WinRM service cannot process the request because the shell ID specified by the client is not a valid GUID. " +
			"Provide a valid ID and try again. "}
	faultCommandID = &soapFault{code: codeCommandID, sender: true, subcode: "w:InvalidParameter", detail: "InvalidValue",
		reason: "The WinRM service cannot process the request because the command ID specified by the client is not a valid GUID. " +
			"Modify the request and retry the request. "}
	faultIdleTimeOut = &soapFault{code: codeIdleTimeOut, sender: true, subcode: "w:InvalidParameter", detail: "InvalidValue",
		reason: "The WS-Management service cannot process the request. The requested IdleTimeout is outside the allowed range. "}
	faultDifferentToken = &soapFault{code: codeDifferentToken, sender: true, subcode: "w:AccessDenied",
		reason: "The WS-Management service cannot complete the authorization under the given token. A previous authorization attempt for the same " +
			"user resulted in a different token. The user record will be revoked and the next request will reauthorize. "}
	faultShellsNotAllowed = &soapFault{code: codeShellsNotAllowed, subcode: "w:InternalError",
		reason: "The WS-Management service cannot process the request. The service is configured to not accept any remote shell requests. "}
	faultCommandsPerShell = &soapFault{code: codeCommandsPerShell, subcode: "w:InternalError",
		reason: "The WS-Management service cannot process the request. The maximum number of concurrent commands per shell has been exceeded. " +
			"Retry the request later or raise the Maximum Commands per Shell quota. "}
	// MS-WSMV 3.1.4.5.2.1 has the subcode, and an older text.
	faultMaxShellUsers = &soapFault{code: codeMaxShellUsers, sender: true, subcode: "w:QuotaLimit",
		reason: "The WS-Management service cannot process the request. The maximum number of users executing shell operations has been exceeded. " +
			"Retry after some time or raise the quota for concurrent shell users. "}
	// MS-WSMV 3.1.4.1.19 lets the service answer w:InternalError to more requests at once than MaxConnections.
	faultSystemQuota = &soapFault{code: codeSystemQuota, subcode: "w:InternalError",
		reason: "The WS-Management service cannot process the request. The load quota for the system has been exceeded. " +
			"Send future requests at a slower rate or raise the system quota. "}
	faultUserQuota = &soapFault{code: codeUserQuota, sender: true, subcode: "w:QuotaLimit",
		reason: "The WS-Management service cannot process the request. The load quota for this user has been exceeded. " +
			"Send future requests at a slower rate or raise the quota for this user. "}
	faultFilterDialect = &soapFault{code: codeFilterDialect, sender: true, subcode: "n:FilterDialectRequestedUnavailable",
		reason: "The filter dialect (the type associated with the filter) was not supported for this resource. " +
			"Change the filter dialect or remove it from the request and try the request again. "}
	faultFilter = &soapFault{code: codeFilter, sender: true, subcode: "n:CannotProcessFilter",
		reason: "The data source could not process the filter. The filter might be missing or it might be invalid. " +
			"Change the filter and try the request again. "}
	faultEnumerationContext = &soapFault{code: codeEnumerationContext, subcode: "n:InvalidEnumerationContext",
		reason: "The WS-Enumeration context in the enumeration is not valid. Enumeration may have been completed or canceled. " +
			"You cannot use this enumeration context anymore. Start a new enumeration. "}
	faultWMIStar = &soapFault{code: codeWMIStar, sender: true, subcode: "w:InvalidSelectors",
		reason: "The WinRM client cannot process the request. The resource URI for an enumeration operation with WQL filter must not contain keys " +
			"and the class name must be '*' (star). Use the following command to get more information in how to construct a resource URI: " +
			"\"winrm help uris\". "}
	faultWMIAccessDenied = &soapFault{code: codeWMIAccessDenied, sender: true, subcode: "w:AccessDenied", provider: wmiPlugin,
		reason: "The WS-Management service cannot process the request. The WMI service returned an 'access denied' error. "}
	faultWMIClass   = &soapFault{code: codeWMIClass, subcode: "w:InternalError", provider: wmiPlugin, reason: "Invalid class "}
	faultQuotaLimit = &soapFault{code: codeQuotaLimit, sender: true, subcode: "w:QuotaLimit",
		reason: "The WS-Management service is busy servicing other requests. Retry later. "}
)

// faultTooLarge has the text of a public report (ArcGIS' DSC modules, issue 688); that it goes with this code is wsmerror.h's.
func faultTooLarge(size, limit int) *soapFault {
	return &soapFault{code: codeMaxEnvelopeExceeded, sender: true, subcode: "w:EncodingLimit", detail: "MaxEnvelopeSizeExceeded",
		reason: fmt.Sprintf("The WS-Management service cannot process the request. The computed response packet size (%d) exceeds the maximum envelope "+
			"size that is allowed (%d). ", size, limit)}
}

func faultMaxShells(limit int) *soapFault {
	return &soapFault{code: codeMaxShells, sender: true, subcode: "w:QuotaLimit",
		reason: fmt.Sprintf("The WS-Management service cannot process the request. This user is allowed a maximum number of %d concurrent shells, "+
			"which has been exceeded. Close existing shells or raise the quota for this user. ", limit)}
}

func faultMaxOperations(limit int) *soapFault {
	return &soapFault{code: codeMaxOperations, sender: true, subcode: "w:QuotaLimit",
		reason: fmt.Sprintf("The WS-Management service cannot process the request. This user is allowed a maximum number of %d concurrent operations, "+
			"which has been exceeded. Close existing operations for this user, or raise the quota for this user. ", limit)}
}

func faultSelectors(detail string, code uint32) *soapFault {
	reason := "The WS-Management service cannot process the request because the request contained invalid selectors for the resource. "
	switch code {
	case codeDuplicateSelectors:
		reason = "The WS-Management service cannot process the request because the request contains duplicate selectors. "
	case codeInsufficient:
		reason = "The WS-Management service cannot process the request because the request did not contain all required selectors. "
	}
	return &soapFault{code: code, sender: true, subcode: "w:InvalidSelectors", detail: detail, reason: reason}
}

func faultUnknownShell(id string) *soapFault {
	return faultSelectors("UnexpectedSelectors", codeUnexpectedSelectors).say(fmt.Sprintf(
		"The request for the Windows Remote Shell with ShellId %s failed because the shell was not found on the server. "+
			"Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the server. "+
			"Provide the correct ShellId or create a new shell and retry the operation. ", id))
}

func faultBadHeader(what string) *soapFault {
	return &soapFault{code: codeBadHeader, sender: true, subcode: "a:InvalidMessageInformationHeader",
		reason:  "The WS-Management service cannot process the request. The request contains one or more invalid SOAP headers. ",
		message: "The WS-Management service cannot process the request. " + what}
}

func faultMissingHeader(name string) *soapFault {
	return &soapFault{code: codeMissingHeader, sender: true, subcode: "a:MessageInformationHeaderRequired",
		reason:  "The WS-Management service cannot process the request. The request does not have all the expected SOAP headers. ",
		message: "The WS-Management service cannot process the request. The header " + name + " is missing. "}
}

func faultNotUnderstood(name string) *soapFault {
	return &soapFault{code: codeMustUnderstand, understand: name,
		reason: "The WS-Management service cannot process a SOAP header in the request that is marked as mustUnderstand by the client. " +
			"This could be caused by the use of a version of the protocol which is not supported, or may be an incompatibility between the client and " +
			"server implementations. "}
}

// faultByCode answers with one of the known faults; an unknown code becomes a plain Windows error.
func faultByCode(code uint32) *soapFault {
	known := []*soapFault{faultAccessDenied, faultShellsNotAllowed, faultTimedOut, faultAborted, faultCommandsPerShell, faultBadParameter,
		faultFileNotFound, faultSchema, faultResource, faultTooLarge(976820, 512000), faultDifferentToken, faultMaxShells(30), faultMaxOperations(1500),
		faultMaxShellUsers, faultUserQuota, faultSystemQuota, faultQuotaLimit}
	for _, f := range known {
		if f.code == code {
			return f
		}
	}
	return &soapFault{code: code, subcode: "w:InternalError", reason: fmt.Sprintf("Windows error %d. ", code)}
}
