// Package simwin is a simulated Windows workstation that answers WinRM, in process: what tests, the demo and load runs push to.
//
// It has two halves. The WinRM front (server, wsman, shell, fault) speaks WS-Management and the remote shell as Windows does, written
// from MS-WSMV, MS-WSMAN, DSP0226 and recorded answers of a real service, not from what our client sends: everything that is later said
// about the client is judged with it. The Windows inside (machine, registry, files, security, twin, check) is what a command finds when it
// runs: an Engine. A Machine is one; Exec is another, which starts a real program instead.
//
// The front knows no photos and no script; the inside knows no HTTP, though a Machine also tells WMI who has signed in. Clients sign in by Basic,
// Negotiate with Kerberos or NTLM, Kerberos, or certificates; contexts and sealed messages are those of package gss, on a connection as http.sys keeps
// it. Docstrings name where a fact about Windows comes from; what nobody has seen says so.
package simwin
