// Package jobs says when and how many: it reads the directory, compares want with have, claims the workstations that differ, has
// them visited side by side within limits, and stores what was read back. It knows no protocol: the directory, the store, the
// pictures and the workstations are interfaces that cmd fills.
package jobs
