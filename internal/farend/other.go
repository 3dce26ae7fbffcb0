//go:build !linux

// Package farend runs a simulated workstation in a process of its own; on Linux only.
package farend

// Main does nothing here.
func Main() {}
