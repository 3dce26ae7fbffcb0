package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/photopush/photopush/config"
)

type configCommand struct {
	Check   configCheck   `cmd:"" help:"Report every fault in the configuration, and in the files that it names."`
	Example configExample `cmd:"" help:"Print a complete commented configuration to start from."`
}

type configCheck struct {
	File string `arg:"" optional:"" help:"The file to check; else the one --config names."`
}

func (c *configCheck) Run(_ context.Context, a *app) error {
	file := cmp.Or(c.File, a.ConfigFile)
	read, err := config.Check(file)
	if err != nil {
		return withExit(exitUsage, err)
	}
	_, err = fmt.Fprintf(a.Stdout, "%s: no faults, %s\n", file, count(len(read.Domains), "domain"))
	return err
}

type configExample struct{}

func (c *configExample) Run(_ context.Context, a *app) error {
	_, err := a.Stdout.Write(config.Example())
	return err
}

// loadConfig reads a configuration; any fault in it ends the command as a usage error.
func loadConfig(file string) (*config.Config, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, withExit(exitUsage, err)
	}
	return c, nil
}

// count is 1 domain, 2 domains.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
