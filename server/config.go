package server

import (
	"fmt"
	"net/netip"
)

// Config says where serve listens.
type Config struct {
	Listen string `yaml:"listen" default:"127.0.0.1:8470" help:"Address and port of /healthz. Loopback only: nobody signs in yet."`
}

// Validate refuses every address but loopback: there is no sign-in yet.
func (c *Config) Validate(path string) error {
	ap, err := netip.ParseAddrPort(c.Listen)
	if err != nil {
		return fmt.Errorf("%s.listen is %q, want a loopback address and port such as 127.0.0.1:8470", path, c.Listen)
	}
	if !ap.Addr().IsLoopback() {
		return fmt.Errorf("%s.listen is %q, want a loopback address: the server has no sign-in yet, so nobody else may reach it", path, c.Listen)
	}
	return nil
}
