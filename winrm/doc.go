// Package winrm is a session with a workstation: WS-Management over HTTP or HTTPS with the remote shell of Windows (MS-WSMV), as its own
// client engine. Without TLS every message is sealed, and an answer that is not is refused. A Session is one TCP connection, one security
// context and one shell; Run starts one command in it, feeds its standard input and returns what it printed. The package knows no photos
// and no script, resolves names and dials through the function it is given, and leaves to its caller when to come back: every error is a
// *photopush.Error whose Reason decides that.
//
// # When the connection is lost
//
// A request is never sent twice where the workstation might do it twice. What is done instead depends on the request:
//
//   - Create and Command carry identifiers of our own choice. They are repeated with the same identifier; a workstation that has done them
//     already answers that it exists, and we go on from there.
//   - Send is repeated only when its last byte had not been handed to the network. Otherwise the input counts as lost, and the run is
//     Unknown; but after the last Send one short Receive asks whether the command got it and has ended.
//   - Receive is repeated with the same MessageID. Output that was in the lost answer may be gone; callers mark the end of their output.
//   - Signal is not repeated. Delete is, since deleting twice does no harm.
//
// A session dials once more for that, and Close once more to delete the shell; a second loss ends the run. Neither happens once the credential was
// rejected, or shown in vain: nothing is sent any more then, since each sign-in could cost another logon. Once input may have reached
// the command, or the command has been started without input, every failure is Unknown: the caller has to look.
package winrm
