package main

import (
	"context"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/config"
	"github.com/photopush/photopush/directory"
	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/photoimport"
)

// afterRecord is called after each record of an import's file; only a test that ends the process there sets it.
var afterRecord func(n int)

// importer joins photoimport with the store, and with a folder beside the database. Its domains are still to be set.
func (p *parts) importer(a *app, cfg photoimport.Config, bar *progress) *photoimport.Importer {
	by := "unknown"
	if u, err := user.Current(); err == nil {
		by = u.Username
	}
	return &photoimport.Importer{
		Config: cfg, Store: p.store, Folder: filepath.Join(filepath.Dir(p.store.Path()), "imports"), By: by, Log: a.Log, Now: time.Now, AfterRecord: afterRecord,
		Observe: func(e photoimport.Progress) { bar.meter(string(e.Phase), e.Done, e.Of) },
	}
}

// writers are the domains that are named, or all, with the accounts that write photos.
func (p *parts) writers(a *app, names []string) ([]photoimport.Directory, error) {
	return p.chosen(names, func(c *config.Domain) (photoimport.Directory, error) {
		cfg, err := c.AsWriter()
		if err != nil {
			return nil, err
		}
		d, err := p.directory(a, c, cfg, c.Resolver())
		if err != nil {
			return nil, err
		}
		return &guardedDirectory{d, p.jobs, jobs.Logon{Account: cfg.Account.Name(), Mechanism: cfg.Mechanism(), Secret: cfg.Secret()}}, nil
	})
}

// readers are those domains with the accounts that read.
func (p *parts) readers(names []string) ([]photoimport.Directory, error) {
	return p.chosen(names, func(c *config.Domain) (photoimport.Directory, error) {
		i := slices.IndexFunc(p.jobs.Domains, func(d *jobs.Domain) bool { return d.Name == c.Name })
		return &guardedDirectory{p.directories[c.Name], p.jobs, p.jobs.Domains[i].DirectoryLogon}, nil
	})
}

// chosen makes a directory of each domain that is named; of all when none is.
func (p *parts) chosen(names []string, open func(*config.Domain) (photoimport.Directory, error)) ([]photoimport.Directory, error) {
	for _, n := range names {
		if !slices.ContainsFunc(p.config.Domains, func(d config.Domain) bool { return strings.EqualFold(d.Name, n) }) {
			return nil, fmt.Errorf("--domain is %q, which is not configured", n)
		}
	}
	var all []photoimport.Directory
	for i := range p.config.Domains {
		c := &p.config.Domains[i]
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(c.Name, n) }) {
			continue
		}
		d, err := open(c)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// A guardedDirectory asks before it signs in whether the account may be used still, and stops it when it is rejected.
type guardedDirectory struct {
	*directory.Directory
	jobs  *jobs.Jobs
	logon jobs.Logon
}

func (d *guardedDirectory) NetBIOSName(ctx context.Context) (name string, err error) {
	err = d.jobs.As(ctx, d.logon, func() (err error) {
		name, err = d.Directory.NetBIOSName(ctx)
		return err
	})
	return name, err
}

func (d *guardedDirectory) People(ctx context.Context, attributes []string, yield func(photopush.User, map[string][]string) error) error {
	return d.jobs.As(ctx, d.logon, func() error { return d.Directory.People(ctx, attributes, yield) })
}

func (d *guardedDirectory) PhotoStates(ctx context.Context, ids []photopush.GUID, attributes []string, yield func(photopush.PhotoState) error) error {
	return d.jobs.As(ctx, d.logon, func() error { return d.Directory.PhotoStates(ctx, ids, attributes, yield) })
}

func (d *guardedDirectory) SwapPhoto(ctx context.Context, s photopush.PhotoSwap) error {
	return d.jobs.As(ctx, d.logon, func() error { return d.Directory.SwapPhoto(ctx, s) })
}
