package main

import (
	"context"
	"log/slog"
	"net/netip"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/directory"
)

// A siteFinder tells the site of a workstation by the first of its addresses. That it cannot only costs the limit of its site. Why sites cannot be read
// says who reads them, once, or the pass, where it is the account's fault: not each visit.
type siteFinder struct {
	resolver *directory.Resolver
	sites    func(context.Context) (directory.Sites, error)
	log      *slog.Logger
}

func (f *siteFinder) site(ctx context.Context, w photopush.Workstation) string {
	sites, err := f.sites(ctx)
	if err != nil {
		f.log.Debug("site of a workstation cannot be told: sites cannot be read", "workstation", w.Host, "err", err)
		return ""
	}
	addrs, err := f.resolver.LookupHost(ctx, w.Host)
	if err != nil {
		f.log.Debug("site of a workstation cannot be told", "workstation", w.Host, "err", err)
		return ""
	}
	for _, addr := range addrs {
		if ip, err := netip.ParseAddr(addr); err == nil {
			return sites.Site(ip)
		}
	}
	return ""
}
