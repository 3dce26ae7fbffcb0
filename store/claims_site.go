package store

import (
	"database/sql"
	"slices"

	"github.com/photopush/photopush"
)

// A siteCount is a site with a number: of its live leases, or of a row that is due there.
type siteCount struct {
	site string
	n    int
}

func scanSiteCount(r *sql.Rows) (c siteCount, err error) { return c, r.Scan(&c.site, &c.n) }

// A siteLimit counts the leases of each site. Workstations of an unknown site have no limit.
type siteLimit struct {
	most int
	live map[string]int
	full []string
}

// siteLimit counts the leases that live.
func (t *tx) siteLimit(most int) (*siteLimit, error) {
	l := &siteLimit{most: most, live: map[string]int{}}
	rows, err := t.query("SELECT site, count(*) FROM workstation WHERE lease_until > 0 AND site <> '' GROUP BY site")
	counts, err := collect(rows, err, scanSiteCount)
	for _, c := range counts {
		l.add(c.site, c.n)
	}
	return l, err
}

func (l *siteLimit) add(site string, n int) {
	if site == "" {
		return
	}
	before := l.live[site]
	l.live[site] += n
	if before < l.most && l.live[site] >= l.most {
		l.full = append(l.full, site)
	}
}

// dueBySite is due with a limit for each site; empty where nothing may be claimed. It reads what is due in its order, without the sites that are full.
func (t *tx) dueBySite(r photopush.ClaimRequest, p photopush.Priority, only []photopush.GUID, limit int) (condition string, args []any, err error) {
	sites, err := t.siteLimit(r.MaxPerSite)
	if err != nil {
		return "", nil, err
	}
	var taken []any // numbers of rows
	for more := true; more && len(taken) < limit; {
		text, args := dueRows("w.site, w.no", p, t.now, only, r.Domains)
		if len(sites.full) > 0 {
			text, args = text+" AND w.site NOT IN ("+marks(len(sites.full))+")", append(args, anys(sites.full)...)
		}
		if len(taken) > 0 {
			text, args = text+" AND w.no NOT IN ("+marks(len(taken))+")", append(args, taken...)
		}
		rows, err := t.queryOnce(true, text+" ORDER BY w.due LIMIT ?", append(args, limit-len(taken))...)
		found, err := collect(rows, err, scanSiteCount)
		if err != nil {
			return "", nil, err
		}
		more = false
		for _, row := range found {
			if slices.Contains(sites.full, row.site) { // it was not when this was asked: others may be due behind it
				more = true
				continue
			}
			sites.add(row.site, 1)
			taken = append(taken, row.n)
		}
	}
	if len(taken) == 0 {
		return "", nil, nil
	}
	return "IN (" + marks(len(taken)) + ")", taken, nil
}
