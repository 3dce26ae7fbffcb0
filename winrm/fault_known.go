package winrm

import (
	"net/http"

	photopush "github.com/photopush/photopush"
)

// Codes that decide what this package does next (wsmerror.h, winerror.h).
const (
	faultBrokenPipe          = 109        // ERROR_BROKEN_PIPE
	faultNoData              = 232        // ERROR_NO_DATA
	faultAborted             = 995        // ERROR_OPERATION_ABORTED
	faultEnvelopeTooLarge    = 2150858790 // ERROR_WSMAN_ENVELOPE_TOO_LARGE
	faultOperationTimedOut   = 2150858793 // ERROR_WSMAN_OPERATION_TIMEDOUT
	faultAlreadyExists       = 2150858803 // ERROR_WSMAN_ALREADY_EXISTS
	faultMaxEnvelope         = 2150858823 // ERROR_WSMAN_MAX_ENVELOPE_SIZE
	faultMaxEnvelopeExceeded = 2150858824 // ERROR_WSMAN_MAX_ENVELOPE_SIZE_EXCEEDED
	faultServerEnvelope      = 2150858825 // ERROR_WSMAN_SERVER_ENVELOPE_LIMIT
	faultUnexpectedSelectors = 2150858843 // ERROR_WSMAN_UNEXPECTED_SELECTORS
	faultReceiveInProgress   = 2150859047 // ERROR_WINRS_RECEIVE_IN_PROGRESS
	faultCommandTerminated   = 2150859212 // ERROR_WSMAN_COMMAND_TERMINATED
	faultCommandExists       = 2150859222 // ERROR_WINRS_SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT
	faultShellExists         = 2150859223 // ERROR_WINRS_SHELL_CLIENTID_RESOURCE_CONFLICT
)

type knownFault struct {
	name   string // as in wsmerror.h and winerror.h, without ERROR_, WSMAN_ and WINRS_
	reason photopush.Reason
	remedy string // what to do, where the reason's sentence does not say it
}

const (
	bug      = "photopush sent something wrong: please report it with the log"
	envelope = "raise winrm/config/MaxEnvelopeSizekb there to 150 at least"
	endpoint = "check the configuration of the endpoint there"
	program  = "find out why Windows PowerShell is not where it belongs there"
	notWinRM = "find out what listens on that port, or stands in between: it does not answer as WinRM"
)

// knownFaults has the faults of wsmerror.h and winerror.h that a remote shell can meet. A code that is not here is Internal.
var knownFaults = map[uint32]knownFault{
	2:               {"FILE_NOT_FOUND", photopush.Unsupported, program},
	3:               {"PATH_NOT_FOUND", photopush.Unsupported, program},
	5:               {"ACCESS_DENIED", photopush.Denied, "the account must be an administrator there (WinRM RootSDDL, UAC remote filter)"},
	8:               {"NOT_ENOUGH_MEMORY", photopush.Quota, ""},
	14:              {"OUTOFMEMORY", photopush.Quota, ""},
	87:              {"INVALID_PARAMETER", photopush.Internal, bug},
	faultBrokenPipe: {"BROKEN_PIPE", photopush.Timeout, ""},
	112:             {"DISK_FULL", photopush.DiskFull, ""},
	faultNoData:     {"NO_DATA", photopush.Timeout, ""},
	faultAborted:    {"OPERATION_ABORTED", photopush.Timeout, ""},
	1018:            {"KEY_DELETED", photopush.Timeout, "a profile is being unloaded there: try again in a minute"},
	1314:            {"PRIVILEGE_NOT_HELD", photopush.Denied, ""},
	1326:            {"LOGON_FAILURE", photopush.Denied, ""},
	1455:            {"COMMITMENT_LIMIT", photopush.Quota, ""},
	1816:            {"NOT_ENOUGH_QUOTA", photopush.Quota, ""},
	2150858767:      {"INVALID_MESSAGE_INFORMATION_HEADER", photopush.Internal, bug},
	2150858770:      {"DESTINATION_UNREACHABLE", photopush.Offline, ""},
	2150858778:      {"ENUMERATE_CANNOT_PROCESS_FILTER", photopush.Internal, bug},
	2150858811:      {"INVALID_RESOURCE_URI", photopush.Unsupported, endpoint},
	2150858815:      {"QUOTA_LIMIT", photopush.Quota, ""},
	2150858817:      {"SCHEMA_VALIDATION_ERROR", photopush.Internal, bug},
	2150858881:      {"INVALID_TIMEOUT_HEADER", photopush.Internal, bug},
	2150859012:      {"WMI_SVC_ACCESS_DENIED", photopush.Denied, ""},
	2150859013:      {"WMI_PROVIDER_ACCESS_DENIED", photopush.Denied, ""},
	2150859014:      {"WMI_CANNOT_CONNECT_ACCESS_DENIED", photopush.Denied, ""},
	2150859046:      {"NETWORK_TIMEDOUT", photopush.Offline, ""},
	2150859173:      {"QUOTA_MAX_SHELLS", photopush.Quota, ""},
	2150859174:      {"QUOTA_MAX_OPERATIONS", photopush.Quota, ""},
	2150859175:      {"QUOTA_USER", photopush.Quota, ""},
	2150859176:      {"QUOTA_SYSTEM", photopush.Quota, ""},
	2150859177:      {"DIFFERENT_AUTHZ_TOKEN", photopush.Denied, "the shell belongs to another account: try again"},
	2150859179:      {"QUOTA_MAX_SHELLUSERS", photopush.Quota, ""},
	2150859180:      {"REMOTESHELLS_NOT_ALLOWED", photopush.RemoteShellDisabled, ""},
	2150859193:      {"NAME_NOT_RESOLVED", photopush.DNS, ""},
	2150859194:      {"SSL_CONNECTION_ABORTED", photopush.TLS, ""},
	2150859231:      {"CREATESHELL_RUNAS_FAILED", photopush.Unsupported, endpoint},
	2150859236:      {"QUOTA_MAX_SHELLS_PPQ", photopush.Quota, ""},
	2150859237:      {"QUOTA_MAX_USERS_PPQ", photopush.Quota, ""},
	2150859238:      {"QUOTA_MAX_PLUGINSHELLS_PPQ", photopush.Quota, ""},
	2150859239:      {"QUOTA_MAX_PLUGINOPERATIONS_PPQ", photopush.Quota, ""},
	2150859240:      {"QUOTA_MAX_OPERATIONS_USER_PPQ", photopush.Quota, ""},
	2150859241:      {"QUOTA_MAX_COMMANDS_PER_SHELL_PPQ", photopush.Quota, ""},
	2150859242:      {"QUOTA_MIN_REQUIREMENT_NOT_AVAILABLE_PPQ", photopush.Quota, ""},
	2150859250:      {"IDLETIMEOUT_OUTOFBOUNDS", photopush.Unsupported, "set idle_timeout within winrm/config/winrs there"},
	2150859259:      {"VIRTUALACCOUNT_NOTSUPPORTED", photopush.Unsupported, endpoint},
	2150859260:      {"VIRTUALACCOUNT_NOTSUPPORTED_DOWNLEVEL", photopush.Unsupported, endpoint},
	2150859261:      {"RUNASUSER_MANAGEDACCOUNT_LOGON_FAILED", photopush.Unsupported, endpoint},

	faultAlreadyExists:       {"ALREADY_EXISTS", photopush.Internal, bug},
	faultEnvelopeTooLarge:    {"ENVELOPE_TOO_LARGE", photopush.Unsupported, envelope},
	faultOperationTimedOut:   {"OPERATION_TIMEDOUT", photopush.Timeout, ""},
	faultMaxEnvelope:         {"MAX_ENVELOPE_SIZE", photopush.Unsupported, envelope},
	faultMaxEnvelopeExceeded: {"MAX_ENVELOPE_SIZE_EXCEEDED", photopush.Unsupported, envelope},
	faultServerEnvelope:      {"SERVER_ENVELOPE_LIMIT", photopush.Unsupported, envelope},
	faultUnexpectedSelectors: {"UNEXPECTED_SELECTORS", photopush.Timeout, "the shell or the command is gone there"},
	faultReceiveInProgress:   {"RECEIVE_IN_PROGRESS", photopush.Timeout, ""},
	faultCommandTerminated:   {"COMMAND_TERMINATED", photopush.Timeout, ""},
	faultCommandExists:       {"SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT", photopush.Internal, bug},
	faultShellExists:         {"SHELL_CLIENTID_RESOURCE_CONFLICT", photopush.Internal, bug},
}

// knownStatus has the HTTP answers that http.sys and WinRM give without a fault, each with its cause for a name. 401 is the security context's.
var knownStatus = map[int]knownFault{
	http.StatusBadRequest: {"the request was not understood", photopush.Unsupported,
		"see whether that port is one of https, since transport and port must go together; a ticket of many groups may also be too long for the HTTP " +
			`service there (MaxFieldLength and MaxRequestBytes below HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters)`},
	http.StatusNotFound: {"no WinRM service listens there under /wsman", photopush.Unsupported,
		"see whether that port is WinRM's, and whether it has a listener there (winrm enumerate winrm/config/listener)"},
	http.StatusRequestEntityTooLarge: {envelope, photopush.Unsupported, envelope},
	http.StatusServiceUnavailable: {"the WinRM service is starting or stopping", photopush.Timeout,
		"wait until the WinRM service has started there, or start it"},
	http.StatusInternalServerError: {"the WinRM service refuses this kind of sign-in or unencrypted messages (winrm/config/service)", photopush.Unsupported,
		"allow the configured auth in winrm/config/service/auth there"},
}
