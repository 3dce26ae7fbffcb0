package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/config"
	"github.com/photopush/photopush/directory"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/logon"
	"github.com/photopush/photopush/photo"
	"github.com/photopush/photopush/pictures"
	"github.com/photopush/photopush/store"
	"github.com/photopush/photopush/visit"
	"github.com/photopush/photopush/want"
	"github.com/photopush/photopush/winrm"
)

// afterCommit is called after each commit of the store; only a test that ends the process there sets it.
var afterCommit func(n int)

// parts are the rooms, built from the configuration and joined.
type parts struct {
	config  *config.Config
	recipes *photo.Recipes
	store   *store.Store
	jobs    *jobs.Jobs

	directories map[string]*directory.Directory // by the domain's name
	closers     []func() error
}

// open reads the configuration and builds everything. Close ends it.
func (a *app) open(ctx context.Context) (_ *parts, err error) {
	c, err := loadConfig(a.ConfigFile)
	if err != nil {
		return nil, err
	}
	recipes, err := c.Recipes()
	if err != nil {
		return nil, withExit(exitUsage, err)
	}
	p := &parts{config: c, recipes: recipes, directories: map[string]*directory.Directory{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.store, err = store.Open(ctx, c.Database, store.Options{Log: a.Log, AfterCommit: afterCommit}); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.store.Close)
	cache := pictures.New(source{p}, p.recipes, c.Pictures)
	files, err := photoFiles(c.Pictures.Originals)
	if err != nil {
		return nil, withExit(exitUsage, err)
	}
	p.jobs = &jobs.Jobs{
		Config: c.Jobs, Store: p.store, Pictures: cache, PhotoFiles: files, Policy: policy(c), Access: c.Registry,
		Recipe:   func(u photopush.User) string { return recipes.For(u).Digest(nil) + " " + c.Pictures.Name() },
		Recipes:  recipes.Name() + " " + c.Pictures.Name(),
		Sessions: logon.FromInventory, Log: a.Log, Now: time.Now,
	}
	p.jobs.Tidy = p.importer(a, c.Import, &progress{}).Tidy
	for i := range c.Domains {
		d, err := p.domain(a, &c.Domains[i])
		if err != nil {
			return nil, withExit(exitUsage, fmt.Errorf("domain %s: %w", c.Domains[i].Name, err))
		}
		p.jobs.Domains = append(p.jobs.Domains, d)
	}
	return p, nil
}

// photoFiles is the folder of originals, nil for none.
func photoFiles(c pictures.FolderConfig) (jobs.PhotoFiles, error) {
	folder, err := pictures.NewFolder(c)
	if folder == nil || err != nil {
		return nil, err // not a nil *pictures.Folder in an interface
	}
	return folder, nil
}

// policy adds which domains' servers are included: a computer whose object does not tell that it is a server says so itself in its inventory.
func policy(c *config.Config) want.Policy {
	p := c.Policy
	p.IncludeServers = map[string]bool{}
	for i := range c.Domains {
		p.IncludeServers[c.Domains[i].Name] = c.Domains[i].Workstations.IncludeServers
	}
	return p
}

// domain builds the directory and the WinRM client of one domain.
func (p *parts) domain(a *app, c *config.Domain) (*jobs.Domain, error) {
	resolver := c.Resolver()
	dir, err := p.directory(a, c, c.Config, resolver)
	if err != nil {
		return nil, err
	}
	p.directories[c.Name] = dir
	var tickets *gss.Kerberos
	if c.WinRM.Auth == "kerberos" {
		account := gss.KerberosAccount{User: c.WinRM.User, Password: c.WinRM.Password(), KeytabFile: c.WinRM.KeytabFile, CacheFile: c.WinRM.CCacheFile}
		if tickets, err = p.tickets(a, c, account, resolver); err != nil {
			return nil, err
		}
	}
	client, err := winrm.New(c.WinRM, winrm.Options{Logger: a.Log, Dial: resolver.DialContext, Kerberos: tickets})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, client.Close)
	var site func(context.Context, photopush.Workstation) string
	if p.config.Jobs.VisitsPerSite > 0 {
		finder := &siteFinder{resolver, func(ctx context.Context) (sites directory.Sites, err error) {
			err = p.jobs.Read(ctx, c.Name, func() (err error) {
				sites, err = dir.Sites(ctx)
				return err
			})
			return sites, err
		}, a.Log}
		site = finder.site
	}
	return &jobs.Domain{
		Name:           c.Name,
		Directory:      dir,
		DirectoryLogon: jobs.Logon{Account: c.Account.Name(), Mechanism: c.Mechanism(), Secret: c.Secret()},
		Remote:         remote{client},
		RemoteLogon:    jobs.Logon{Account: c.WinRM.Account(), Mechanism: c.WinRM.Auth, Secret: c.WinRM.Secret()},
		Site:           site,
	}, nil
}

// directory builds the directory of a domain for the account of cfg.
func (p *parts) directory(a *app, c *config.Domain, cfg directory.Config, resolver *directory.Resolver) (*directory.Directory, error) {
	opts := directory.Options{Logger: a.Log, DialContext: resolver.DialContext, PhotoAttributes: p.config.Pictures.Sources}
	if account := cfg.KerberosAccount(); account != nil {
		var err error
		if opts.Kerberos, err = p.tickets(a, c, *account, resolver); err != nil {
			return nil, err
		}
	}
	dir, err := directory.New(cfg, opts)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, dir.Close)
	return dir, nil
}

// tickets are those of one account of the domain.
func (p *parts) tickets(a *app, c *config.Domain, account gss.KerberosAccount, resolver *directory.Resolver) (*gss.Kerberos, error) {
	cfg := c.Kerberos
	if cfg.Realm == "" {
		cfg.Realm = strings.ToUpper(c.Name)
	}
	k, err := gss.NewKerberos(cfg, account, gss.KerberosOptions{Logger: a.Log, Dial: resolver.DialContext, LookupSRV: resolver.LookupSRV})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, k.Close)
	return k, nil
}

// Close ends the parts, the last one first.
func (p *parts) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	return errors.Join(errs...)
}

// A remote is a winrm.Client, as visit wants it.
type remote struct{ *winrm.Client }

func (r remote) Open(ctx context.Context, w photopush.Workstation) (visit.Session, error) {
	s, err := r.Client.Open(ctx, w)
	if err != nil {
		return nil, err // not a nil *winrm.Session in an interface
	}
	return s, nil
}

// A source finds a user's photos in the directory of his domain, and in files. His names are those by which he was read last.
type source struct{ *parts }

func (s source) Photos(ctx context.Context, sid photopush.SID) (photopush.User, []photopush.Photo, error) {
	u, err := s.store.User(ctx, sid)
	if err != nil {
		return photopush.User{}, nil, err
	}
	d, ok := s.directories[u.Domain]
	if !ok {
		return photopush.User{}, nil, &photopush.Error{Reason: photopush.OutOfScope, Op: "read photo of", On: u.AccountName,
			Err: fmt.Errorf("domain %s is not configured", u.Domain)}
	}
	var photos []photopush.Photo
	err = s.jobs.Read(ctx, u.Domain, func() (err error) {
		photos, err = d.Photos(ctx, sid)
		return err
	})
	if err == nil {
		photos, err = s.jobs.WithFiles(ctx, u, photos)
	}
	return u.User, photos, err
}
