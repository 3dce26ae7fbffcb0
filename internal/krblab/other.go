//go:build !linux

// Package krblab starts a real MIT KDC for tests; on Linux only.
package krblab
