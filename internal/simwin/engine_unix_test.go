//go:build unix

package simwin

import "syscall"

// zombieOfOurs is a child of this process that has ended and that nobody has waited for.
func zombieOfOurs() (pid int, left bool) {
	var none syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &none, syscall.WNOHANG, nil)
	return pid, err == nil && pid > 0
}
