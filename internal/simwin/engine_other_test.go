//go:build !unix

package simwin

// zombieOfOurs finds none: only Unix keeps processes that have ended.
func zombieOfOurs() (pid int, left bool) { return 0, false }
