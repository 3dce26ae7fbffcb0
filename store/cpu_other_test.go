//go:build !unix

package store_test

import "time"

var began = time.Now()

// cpuTime is the clock where the system has no cheap answer: the figure is then right on an idle machine only.
func cpuTime() time.Duration { return time.Since(began) }
