package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/photopush/photopush"
)

// Bounds of what is kept of one workstation, which could make up as much as it likes.
const (
	mostFindings = 100
	longestSDDL  = 8_000
)

// putFindings replaces what is known of the workstation's permissions and of values that point elsewhere. What was there before stays found since then.
func (t *tx) putFindings(r *photopush.Result) error {
	id, taken := string(r.Claim.Workstation.ID), millis(r.Outcome.Inventory.Taken)
	rows, err := t.query(findings+"WHERE f.workstation = ?", id)
	before, err := collect(rows, err, scanFinding)
	if err != nil {
		return err
	}
	found := map[photopush.Finding]int64{}
	for _, f := range before {
		f.SDDL = "" // another entry beside it makes it no other finding
		found[f.Finding] = millis(f.Found)
	}
	if _, err := t.exec("DELETE FROM finding WHERE workstation = ?", id); err != nil {
		return err
	}
	for i, f := range first(mostFindings, r.Outcome.Findings) {
		f.Trustee, f.Name, f.May, f.Unclear = sentence(f.Trustee), sentence(f.Name), sentence(f.May), sentence(f.Unclear)
		same := f
		same.SDDL = ""
		_, err := t.exec(`INSERT INTO finding (workstation, no, key, trustee, name, may, owner, inherited, below, unclear, sddl, found)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, i, f.Key, f.Trustee, f.Name, f.May, f.Owner, f.Inherited, f.Below, f.Unclear,
			printable(f.SDDL, longestSDDL), since(found, same, taken))
		if err != nil {
			return err
		}
	}
	return t.putElsewhere(r, id, taken)
}

func (t *tx) putElsewhere(r *photopush.Result, id string, taken int64) error {
	rows, err := t.query(elsewhere+"WHERE e.workstation = ?", id)
	before, err := collect(rows, err, scanElsewhere)
	if err != nil {
		return err
	}
	found := map[photopush.Elsewhere]int64{}
	for _, e := range before {
		found[e.Elsewhere] = millis(e.Found)
	}
	if _, err := t.exec("DELETE FROM elsewhere WHERE workstation = ?", id); err != nil {
		return err
	}
	for i, e := range first(mostFindings, r.Outcome.Elsewhere) {
		e.Value.Data = sentence(e.Value.Data)
		_, err := t.exec(`INSERT INTO elsewhere (workstation, no, sid, name, value_kind, data, kind, found) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			id, i, string(e.User), e.Value.Name, e.Value.Kind, e.Value.Data, string(e.Kind), since(found, e, taken))
		if err != nil {
			return err
		}
	}
	return nil
}

func first[T any](n int, all []T) []T { return all[:min(n, len(all))] }

func since[K comparable](found map[K]int64, k K, now int64) int64 {
	if at, ok := found[k]; ok {
		return at
	}
	return now
}

const findings = `SELECT w.id, w.domain, w.name, w.host, f.key, f.trustee, f.name, f.may, f.owner, f.inherited, f.below, f.unclear, f.sddl, f.found
	FROM finding f JOIN workstation w ON w.id = f.workstation `

func scanFinding(r *sql.Rows) (f photopush.FindingRecord, err error) {
	var found int64
	err = r.Scan(&f.Workstation.ID, &f.Workstation.Domain, &f.Workstation.Name, &f.Workstation.Host, &f.Key, &f.Trustee, &f.Name, &f.May,
		&f.Owner, &f.Inherited, &f.Below, &f.Unclear, &f.SDDL, &found)
	f.Found = fromMillis(found)
	return f, err
}

// Findings are the permissions that let users write, of the workstations that are not gone, by host. Of a workstation only ID, Domain, Name and Host are filled in.
func (s *Store) Findings(ctx context.Context) ([]photopush.FindingRecord, error) {
	r, err := s.r.QueryContext(ctx, findings+"WHERE w.gone_since = 0 ORDER BY w.host, w.id, f.no")
	all, err := collect(r, err, scanFinding)
	return all, s.fail("read findings", err)
}

const elsewhere = `SELECT w.id, w.domain, w.name, w.host, coalesce(u.account, ''), e.sid, e.name, e.value_kind, e.data, e.kind, e.found
	FROM elsewhere e JOIN workstation w ON w.id = e.workstation LEFT JOIN directory_user u ON u.sid = e.sid `

func scanElsewhere(r *sql.Rows) (e photopush.ElsewhereRecord, err error) {
	var found int64
	err = r.Scan(&e.Workstation.ID, &e.Workstation.Domain, &e.Workstation.Name, &e.Workstation.Host, &e.Account, &e.User, &e.Value.Name,
		&e.Value.Kind, &e.Value.Data, &e.Kind, &found)
	e.Found = fromMillis(found)
	return e, err
}

// Elsewhere are the values that point elsewhere, likewise.
func (s *Store) Elsewhere(ctx context.Context) ([]photopush.ElsewhereRecord, error) {
	r, err := s.r.QueryContext(ctx, elsewhere+"WHERE w.gone_since = 0 ORDER BY w.host, w.id, e.no")
	all, err := collect(r, err, scanElsewhere)
	return all, s.fail("read values that point elsewhere", err)
}

// printable is text as it may stand in a row: at most so many bytes, without control characters.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text[:min(most, len(text))])
	return strings.ToValidUTF8(text, "?")
}
