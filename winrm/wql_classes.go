package winrm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	photopush "github.com/photopush/photopush"
)

// A UserProfile is a profile on a workstation (Win32_UserProfile).
type UserProfile struct {
	SID     photopush.SID // of an account, always
	Loaded  bool
	Special bool      // of a system service
	LastUse time.Time // UTC; zero where the workstation does not tell
	Path    string    // local path; at most 1000 characters
}

// UserProfiles asks for the profiles of accounts; those of services, such as S-1-5-18, are left out.
func UserProfiles(ctx context.Context, ch *Channel) ([]UserProfile, error) {
	var all []UserProfile
	err := ch.Query(ctx, "root/cimv2", "SELECT SID, Loaded, Special, LastUseTime, LocalPath FROM Win32_UserProfile", func(i Instance) error {
		p, ok, err := userProfile(i)
		if ok {
			all = append(all, p)
		}
		return err
	})
	return all, unreadable(ch, err)
}

func userProfile(i Instance) (p UserProfile, ok bool, err error) {
	p.SID = photopush.SID(i.Text("SID"))
	if !p.SID.IsAccount() {
		return UserProfile{}, false, nil
	}
	var faults [3]error
	p.Loaded, faults[0] = parseBool(i.Text("Loaded"))
	p.Special, faults[1] = parseBool(i.Text("Special"))
	p.LastUse, faults[2] = parseDatetime(i.Text("LastUseTime"))
	p.Path = clean(i.Text("LocalPath"), 1000)
	err = errors.Join(faults[:]...)
	return p, err == nil, err
}

// An SMBSession is a session on a file server or domain controller (MSFT_SmbSession), from the server's side.
type SMBSession struct {
	Computer string // name or address of the client, without \\; not checked by anybody
	User     string // DOMAIN\name
	Since    time.Time
	Idle     time.Duration
}

// SMBSessions asks who has a session there. Entries without computer or user, which anonymous sessions have, are left out.
func SMBSessions(ctx context.Context, ch *Channel) ([]SMBSession, error) {
	now := time.Now().UTC()
	var all []SMBSession
	wql := "SELECT ClientComputerName, ClientUserName, SecondsExists, SecondsIdle FROM MSFT_SmbSession"
	err := ch.Query(ctx, "root/Microsoft/Windows/SMB", wql, func(i Instance) error {
		s, ok, err := smbSession(i, now)
		if ok {
			all = append(all, s)
		}
		return err
	})
	return all, unreadable(ch, err)
}

func smbSession(i Instance, now time.Time) (s SMBSession, ok bool, err error) {
	s.Computer, s.User = strings.TrimLeft(i.Text("ClientComputerName"), `\`), i.Text("ClientUserName")
	if !isName(s.Computer) || !isName(s.User) {
		return SMBSession{}, false, nil
	}
	exists, err1 := parseSeconds(i.Text("SecondsExists"))
	idle, err2 := parseSeconds(i.Text("SecondsIdle"))
	s.Since, s.Idle = now.Add(-exists), idle
	err = errors.Join(err1, err2)
	return s, err == nil, err
}

func isName(s string) bool {
	return s != "" && len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// A valueError is a property that does not have the type of its class.
type valueError struct{ kind, text string }

func (e *valueError) Error() string { return fmt.Sprintf("%q is no %s", clean(e.text, 60), e.kind) }

// unreadable gives the error of a property the form that callers see.
func unreadable(ch *Channel, err error) error {
	if _, ok := errors.AsType[*valueError](err); ok {
		return &photopush.Error{Reason: photopush.Unsupported, Op: "query WMI of", On: ch.link.host, Err: err}
	}
	return err
}

// parseBool reads an xs:boolean, in Windows' spellings too; null is false.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return true, nil
	case "false", "0", "":
		return false, nil
	}
	return false, &valueError{"boolean", text}
}

// parseSeconds reads a uint32; null is 0.
func parseSeconds(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, &valueError{"number of seconds", text}
	}
	return time.Duration(n) * time.Second, nil
}

// parseDatetime reads an xs:dateTime with its zone, as cim:Datetime has it (DSP0230 7.3.3), or the 25 characters yyyymmddHHMMSS.mmmmmm±UUU of
// a CIM datetime, whose zone is in minutes (DSP0004 5.2.4). Null, and the year 1601, with which Windows says never, are the zero time.
func parseDatetime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if t, err = parseCIM(text); err != nil {
			return time.Time{}, err
		}
	}
	if t = t.UTC(); t.Year() <= 1601 {
		return time.Time{}, nil
	}
	return t, nil
}

func parseCIM(text string) (time.Time, error) {
	bad := &valueError{"datetime", text}
	if len(text) != 25 || text[21] != '+' && text[21] != '-' {
		return time.Time{}, bad
	}
	t, err := time.Parse("20060102150405.000000", text[:21])
	minutes, err2 := strconv.ParseUint(text[22:], 10, 16)
	if err != nil || err2 != nil {
		return time.Time{}, bad
	}
	offset := time.Duration(minutes) * time.Minute
	if text[21] == '-' {
		offset = -offset
	}
	return t.Add(-offset), nil
}
