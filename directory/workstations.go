package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

var workstationAttributes = []string{
	"objectGUID", "sAMAccountName", "dNSHostName", "operatingSystem", "operatingSystemVersion", "userAccountControl",
	"primaryGroupID", "lastLogonTimestamp", "pwdLastSet", "managedBy",
}

// errExcluded says that a computer is none of ours although the server's filter let it pass.
var errExcluded = errors.New("it is a domain controller, or a server while servers are not included")

// Workstations reads every computer in scope, or with ids those of them, and hands them to yield as they arrive, as Users does. Domain controllers never come,
// servers only when they are included; a disabled one has Enabled false.
func (d *Directory) Workstations(ctx context.Context, ids []photopush.GUID, yield func(photopush.Workstation) error) error {
	return d.readObjects(ctx, query{"read workstations", d.devices, d.devices.and(""), workstationAttributes}, ids, func(e *ldap.Entry, guid rawGUID) error {
		w, err := d.workstation(e, guid)
		if err != nil {
			return &objectError{err}
		}
		return yield(w)
	})
}

// Workstation finds a workstation in scope by host name or by its short name. When none has that name, the error has
// photopush.ErrUnknownWorkstation in its chain, and says so if it exists outside the scope; when several have it, it has
// ErrAmbiguous, and lists them.
func (d *Directory) Workstation(ctx context.Context, name string) (photopush.Workstation, error) {
	filter := d.hostFilter(name)
	if filter == "" {
		return photopush.Workstation{}, workstationError(name, photopush.OutOfScope, photopush.ErrUnknownWorkstation)
	}
	found, err := d.find(ctx, query{"find workstation", d.devices, d.devices.and(filter), workstationAttributes})
	if err != nil {
		return photopush.Workstation{}, err
	}
	switch len(found) {
	case 0:
		return photopush.Workstation{}, d.unknownWorkstation(ctx, name, filter)
	case 1:
		return d.foundWorkstation(name, found[0])
	}
	return photopush.Workstation{}, workstationError(name, photopush.Conflict, fmt.Errorf("%w: %s", ErrAmbiguous, candidateList(found)))
}

func (d *Directory) foundWorkstation(name string, e *ldap.Entry) (photopush.Workstation, error) {
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return photopush.Workstation{}, workstationError(name, photopush.Unsupported, err)
	}
	w, err := d.workstation(e, guid)
	if err != nil {
		return photopush.Workstation{}, workstationError(name, photopush.OutOfScope, err)
	}
	return w, nil
}

func workstationError(name string, reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "find workstation", On: clip(decodeText(name)), Err: err}
}

// hostFilter is the filter for a name: WS1, WS1$ or ws1.corp.example; empty for what can be no name.
func (d *Directory) hostFilter(name string) string {
	host, err := decodeHost(strings.TrimSuffix(name, "$"))
	if err != nil || host == "" {
		return ""
	}
	if strings.Contains(host, ".") {
		return equals("dNSHostName", host)
	}
	// A name over 15 characters is cut in sAMAccountName, and whole in dNSHostName.
	return "(|" + equals("sAMAccountName", host+"$") + equals("dNSHostName", host+"."+d.cfg.Name) + ")"
}

// unknownWorkstation is the error when none in scope has the name; it tells whether one outside has, and what leaves it out.
func (d *Directory) unknownWorkstation(ctx context.Context, name, filter string) error {
	why, err := d.whyOutside(ctx, d.devices, filter)
	switch {
	case err != nil:
		return err
	case why == "":
		return workstationError(name, photopush.OutOfScope, photopush.ErrUnknownWorkstation)
	}
	return workstationError(name, photopush.OutOfScope, fmt.Errorf("%w in scope: %s", photopush.ErrUnknownWorkstation, why))
}

// workstation decodes a computer.
func (d *Directory) workstation(e *ldap.Entry, guid rawGUID) (photopush.Workstation, error) {
	account := text(e, "sAMAccountName")
	if account == "" {
		return photopush.Workstation{}, errors.New("it has no sAMAccountName")
	}
	host, err := decodeHost(e.GetEqualFoldAttributeValue("dNSHostName"))
	if err != nil {
		d.log.Warn("workstation has no usable address", "dn", decodeText(e.DN), "err", err)
	}
	enabled, err := isEnabled(e)
	if err != nil {
		return photopush.Workstation{}, err
	}
	w := photopush.Workstation{
		ID:          guid.GUID(),
		Domain:      d.cfg.Name,
		DN:          e.DN,
		Name:        strings.TrimSuffix(account, "$"),
		Host:        host,
		OS:          text(e, "operatingSystem"),
		OSVersion:   text(e, "operatingSystemVersion"),
		Enabled:     enabled,
		ManagedBy:   text(e, "managedBy"),
		LastLogon:   d.moment(e, "lastLogonTimestamp"),
		PasswordSet: d.moment(e, "pwdLastSet"),
	}
	if isController(e) || w.Server() && !d.cfg.Workstations.IncludeServers {
		return photopush.Workstation{}, errExcluded
	}
	return w, nil
}

// moment reads a time that only informs: a wrong one is no reason to leave the workstation out.
func (d *Directory) moment(e *ldap.Entry, attribute string) time.Time {
	s := e.GetEqualFoldAttributeValue(attribute)
	if s == "" {
		return time.Time{}
	}
	t, err := decodeFileTime(s)
	if err != nil {
		d.log.Debug("time cannot be read", "dn", e.DN, "attribute", attribute, "err", err)
	}
	return t
}

// isController asks what the filter asked, so that a domain controller never passes, whatever a server answers.
func isController(e *ldap.Entry) bool {
	switch e.GetEqualFoldAttributeValue("primaryGroupID") {
	case "516", "521":
		return true
	}
	control, err := decodeAccountControl(e.GetEqualFoldAttributeValue("userAccountControl"))
	return err == nil && control&(serverTrust|partialSecrets) != 0
}
