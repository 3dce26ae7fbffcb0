// Package server answers HTTP: for now /healthz on loopback.
package server
