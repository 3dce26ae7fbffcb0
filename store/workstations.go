package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/photopush/photopush"
)

const workstationColumns = `w.id, w.domain, w.dn, w.name, w.host, w.os, w.os_version, w.enabled, w.last_logon, w.password_set, w.managed_by,
	w.gone_since, w.site, w.due, w.priority, w.lease_until, w.attempts, w.first_failed, w.reason, w.detail, w.last_contact, w.last_success,
	w.verify_due, coalesce(i.taken, 0), coalesce(i.build, 0), coalesce(i.type, ''), coalesce(i.domain, ''), coalesce(i.entra_joined, 0),
	coalesce(i.default_tile, 0)`

const workstationTables = ` FROM workstation w LEFT JOIN inventory i ON i.workstation = w.id `

func scanWorkstation(r *sql.Rows) (w photopush.WorkstationRecord, err error) {
	var logon, password, gone, due, lease, failed, contact, success, verify, taken int64
	err = r.Scan(&w.ID, &w.Domain, &w.DN, &w.Name, &w.Host, &w.OS, &w.OSVersion, &w.Enabled, &logon, &password, &w.ManagedBy,
		&gone, &w.Site, &due, &w.Priority, &lease, &w.Attempts, &failed, &w.Reason, &w.Detail, &contact, &success,
		&verify, &taken, &w.Facts.Build, &w.Facts.Type, &w.Facts.Domain, &w.Facts.EntraJoined, &w.Facts.DefaultTile)
	w.LastLogon, w.PasswordSet, w.GoneSince = fromMillis(logon), fromMillis(password), fromMillis(gone)
	w.Due, w.LeaseUntil, w.FirstFailed = fromMillis(due), fromMillis(lease), fromMillis(failed)
	w.LastContact, w.LastSuccess, w.VerifyDue = fromMillis(contact), fromMillis(success), fromMillis(verify)
	w.InventoryTime = fromMillis(taken)
	return w, err
}

func (s *Store) queryWorkstations(ctx context.Context, rest string, args ...any) ([]photopush.WorkstationRecord, error) {
	r, err := s.r.QueryContext(ctx, "SELECT "+workstationColumns+workstationTables+rest, args...)
	all, err := collect(r, err, scanWorkstation)
	return all, s.fail("read workstations", err)
}

// Workstation returns one workstation; ErrUnknownWorkstation is in the chain when there is none.
func (s *Store) Workstation(ctx context.Context, id photopush.GUID) (photopush.WorkstationRecord, error) {
	all, err := s.queryWorkstations(ctx, "WHERE w.id = ?", string(id))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("workstation %s: %w", id, photopush.ErrUnknownWorkstation)
	}
	if err != nil {
		return photopush.WorkstationRecord{}, err
	}
	return all[0], nil
}

// FindWorkstations finds by host or short name, without regard to case or a closing $. ErrUnknownWorkstation is in the chain when none is
// found; workstations of the directory come before those that are gone.
func (s *Store) FindWorkstations(ctx context.Context, name string) ([]photopush.WorkstationRecord, error) {
	key := strings.TrimSuffix(strings.ToLower(name), "$")
	if key == "" {
		return nil, fmt.Errorf("workstation without a name: %w", photopush.ErrUnknownWorkstation)
	}
	all, err := s.queryWorkstations(ctx, "WHERE w.host = ? OR w.name_key = ? ORDER BY w.gone_since, w.host", strings.TrimSuffix(key, "."), key)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("workstation %s: %w", name, photopush.ErrUnknownWorkstation)
	}
	return all, err
}

// WorkstationsOf returns the workstations that a session or a pair names for the user, without the disabled and the gone, by host.
func (s *Store) WorkstationsOf(ctx context.Context, sid photopush.SID) ([]photopush.WorkstationRecord, error) {
	return s.queryWorkstations(ctx, `WHERE w.enabled = 1 AND w.gone_since = 0 AND (w.id IN (SELECT workstation FROM session WHERE sid = ?)
		OR w.id IN (SELECT workstation FROM picture WHERE sid = ?)) ORDER BY w.host, w.id`, string(sid), string(sid))
}

// Inventory returns the last inventory, and whether anything may be planned from it; nil when there is none.
func (s *Store) Inventory(ctx context.Context, id photopush.GUID) (inv *photopush.Inventory, usable bool, err error) {
	var body string
	err = s.r.QueryRowContext(ctx, "SELECT usable, body FROM inventory WHERE workstation = ?", string(id)).Scan(&usable, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err == nil {
		inv, err = decodeInventory(body)
	}
	return inv, usable, s.fail("read inventory of "+string(id), err)
}

func decodeInventory(body string) (*photopush.Inventory, error) {
	inv := new(photopush.Inventory)
	return inv, json.Unmarshal([]byte(body), inv)
}
