// Package masterzen visits workstations through github.com/masterzen/winrm, in place of the engine of package winrm: Client and Session have the
// same methods, for the same contract. It is for whoever has masterzen/winrm in use already, and wants its shells and commands over
// connections that Windows takes as it comes: HTTP with Kerberos, every message sealed. It is also our peer: a test pushes the same pictures through
// both engines, and a benchmark sets their costs side by side.
//
// It is a module of its own, so that photopush itself neither builds nor depends on masterzen/winrm. The connection is a winrm.Channel, which knows
// nothing of commands; the loop that runs them is masterzen's. Transporter joins the two, and may be used without Client.
//
// Masterzen's loop has faults. They were measured with its version of 2024-07-02; the tests here run with Debian's, of 2020-06-15, which has them too.
// Worked around:
//
//   - It takes faults and HTTP errors for results, and goes on with an empty ShellId, or asks for output without end. Every answer is judged before
//     masterzen sees it; after the first failure nothing is sent any more.
//   - It asks for output before the input is sent, so that on one connection every Send waits for one OperationTimeout. Such a request is held back,
//     without a word on the wire, until the input has ended.
//   - It takes any error with the word OperationTimeout in it, such as a timeout of the connection, for "no output yet", and asks again for
//     ever. No error that reaches it has that word, but for the fault that means it; and a host that answers at once, with no output or hardly any, is
//     asked at most five times a second.
//   - Its pieces of input are as long as the envelope may be, and base64 makes them a third longer. Input is handed to it in pieces that fit.
//   - The end of the input is an empty message of its own, and its WriteClose always fails. The last piece says End.
//   - It knows no context. Every message ends with the caller's, at once.
//   - It names no IdleTimeOut, so that a shell that was left behind stays for two hours, and takes the name that the host gives to the shell, so that
//     one whose Create was answered too late can never be deleted. Create is completed by both.
//   - Standard input is a console, and the program is started by cmd.exe: two options that are fixed. They are turned, and the arguments travel apart.
//   - A command line with ]]> would end its CDATA.
//   - An answer that begins with an XML declaration in an unknown encoding makes it panic. Declarations are taken off.
//
// What cannot be worked around from outside, and package winrm does better:
//
//   - After a loss nothing is looked up or asked for again, since a command has no identifier of ours and a Receive is never the same twice: a lost
//     answer ends the run with reason Unknown. Only the shell is still deleted, on a new connection.
//   - A workstation that takes less than max_envelope is not noticed: it fails with Unsupported until max_envelope is lowered.
//   - Every message is built as a tree and copied several times, and every answer is parsed twice.
//   - Where int has 32 bits, an exit code above 2,147,483,647 reads as 0.
package masterzen
