//go:build unix

package store_test

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used; other than the clock it does not count what the machine does beside it.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
