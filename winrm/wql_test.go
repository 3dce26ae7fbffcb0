package winrm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
)

const (
	testSID    = "S-1-5-21-1-2-3-1001"
	wmiPrefix  = `<n:%[1]s xmlns:n="` + nsEnumeration + `" xmlns:w="` + nsWSMan + `">`
	wmiContext = `<n:EnumerationContext>uuid:%s</n:EnumerationContext>`
)

// enumerated is an answer with a context, items and perhaps an end, as Windows forms it.
func enumerated(r *soapRequest, context, items, end string) *hostAnswer {
	name := r.name() + "Response"
	return okAnswer(r, fmt.Sprintf(wmiPrefix+wmiContext, name, context)+`<w:Items>`+items+`</w:Items>`+end+`</n:`+name+`>`)
}

const fragment = `<w:XmlFragment xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SID>%s</SID><Loaded>%s</Loaded><Special>false</Special>` +
	`<LastUseTime><Datetime>%s</Datetime></LastUseTime><LocalPath>C:\Users\a&amp;b</LocalPath><Null xsi:nil="true"/></w:XmlFragment>`

// queried runs ask on a Channel to a host that answers the n-th request, from 1, with answer.
func queried(t *testing.T, answer func(n int, r *soapRequest) *hostAnswer, ask func(ch *Channel)) *host {
	h := newHost(t)
	h.override = answer
	c := testClient(t, testConfig(t), h.pipe)
	ch, err := c.Dial(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	ask(ch)
	return h
}

func TestUserProfiles(t *testing.T) {
	h := queried(t, func(n int, r *soapRequest) *hostAnswer {
		switch n {
		case 1:
			return enumerated(r, "A", fmt.Sprintf(fragment, testSID, "true", "2026-03-04T05:06:07.5+01:00")+fmt.Sprintf(fragment, "S-1-5-18", "true", ""), "")
		case 2:
			return faultAnswer(r, faultOperationTimedOut, "nothing yet")
		}
		return enumerated(r, "B", fmt.Sprintf(fragment, testSID+"0", "FALSE", "1601-01-01T00:00:00Z"), `<n:EndOfSequence/>`)
	}, func(ch *Channel) {
		got, err := UserProfiles(t.Context(), ch)
		want := []UserProfile{
			{SID: testSID, Loaded: true, LastUse: time.Date(2026, 3, 4, 4, 6, 7, 5e8, time.UTC), Path: `C:\Users\a&b`},
			{SID: testSID + "0", Path: `C:\Users\a&b`},
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
	if got := h.names(); !slices.Equal(got, []string{"Enumerate", "Pull", "Pull"}) {
		t.Errorf("asked %v", got)
	}
}

func TestSMBSessions(t *testing.T) {
	item := `<p:MSFT_SmbSession xmlns:p="urn:p"><p:ClientComputerName>%s</p:ClientComputerName><p:ClientUserName>%s</p:ClientUserName>` +
		`<p:SecondsExists>3600</p:SecondsExists><p:SecondsIdle>60</p:SecondsIdle></p:MSFT_SmbSession>`
	queried(t, func(_ int, r *soapRequest) *hostAnswer {
		return enumerated(r, "", fmt.Sprintf(item, `\\10.0.0.7`, `CORP\ann`)+fmt.Sprintf(item, "10.0.0.8", ""), `<w:EndOfSequence/>`)
	}, func(ch *Channel) {
		start := time.Now()
		got, err := SMBSessions(t.Context(), ch)
		if err != nil || len(got) != 1 || got[0].Computer != "10.0.0.7" || got[0].User != `CORP\ann` || got[0].Idle != time.Minute {
			t.Fatalf("got %+v, %v", got, err)
		}
		if since := got[0].Since; since.Before(start.Add(-time.Hour)) || since.After(time.Now().Add(-time.Hour)) {
			t.Errorf("since %v", since)
		}
	})
}

// TestQueryStopped stops after the first instance: the workstation is told, and the channel can be used again.
func TestQueryStopped(t *testing.T) {
	stop := errors.New("enough")
	h := queried(t, func(n int, r *soapRequest) *hostAnswer {
		if r.name() == "Release" {
			return okAnswer(r, "")
		}
		return enumerated(r, "A", `<p:X xmlns:p="urn:p"/><p:X xmlns:p="urn:p"/>`, "")
	}, func(ch *Channel) {
		for range 2 {
			n := 0
			err := ch.Query(t.Context(), "root/cimv2", "SELECT * FROM X", func(Instance) error { n++; return stop })
			if err != stop || n != 1 {
				t.Errorf("got %v after %d", err, n)
			}
		}
	})
	if got := h.names(); !slices.Equal(got, []string{"Enumerate", "Release", "Enumerate", "Release"}) {
		t.Errorf("asked %v", got)
	}
}

func TestQueryFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(r *soapRequest) *hostAnswer
		reason photopush.Reason
		says   string
	}{
		{"denied", func(r *soapRequest) *hostAnswer { return faultAnswer(r, 5, "no") }, photopush.Denied, "Remote Enable on the WMI namespace root/cimv2"},
		{"service", func(r *soapRequest) *hostAnswer { return faultAnswer(r, 2150859012, "no") }, photopush.Denied, "Remote Enable"},
		{"provider", func(r *soapRequest) *hostAnswer { return faultAnswer(r, 2150859013, "no") }, photopush.Denied, "Remote Enable"},
		{"connect", func(r *soapRequest) *hostAnswer { return faultAnswer(r, 2150859014, "no") }, photopush.Denied, "Remote Enable"},
		{"wmi", func(r *soapRequest) *hostAnswer { return faultAnswer(r, wmiAccessDenied, "no") }, photopush.Denied, "Remote Enable"},
		{"class", func(r *soapRequest) *hostAnswer { return faultAnswer(r, wmiInvalidClass, "no") }, photopush.Unsupported, "no such class"},
		{"filter", func(r *soapRequest) *hostAnswer { return faultAnswer(r, 2150858778, "no") }, photopush.Internal, "ENUMERATE_CANNOT_PROCESS_FILTER"},
		{"no context", func(r *soapRequest) *hostAnswer { return enumerated(r, "", "", "") }, photopush.Unsupported, ""},
		{"no progress", func(r *soapRequest) *hostAnswer { return enumerated(r, "A", "", "") }, photopush.Unsupported, "does not go on"},
		{"timeouts", func(r *soapRequest) *hostAnswer {
			if r.name() == "Enumerate" {
				return enumerated(r, "A", "", "")
			}
			return faultAnswer(r, faultOperationTimedOut, "not yet")
		}, photopush.Unsupported, "does not go on"},
		{"no WinRM", func(*soapRequest) *hostAnswer { return &hostAnswer{status: 404} }, photopush.Unsupported, ""},
		{"lost", func(*soapRequest) *hostAnswer { return &hostAnswer{raw: "HTTP/1.1 200"} }, photopush.Timeout, ""},
		{"too much", func(r *soapRequest) *hostAnswer {
			return enumerated(r, "A", `<X><Y>`+strings.Repeat("y", maxValue)+`</Y></X>`, "")
		}, photopush.Unsupported, "max_output"},
	} {
		t.Run(test.name, func(t *testing.T) {
			queried(t, func(_ int, r *soapRequest) *hostAnswer { return test.answer(r) }, func(ch *Channel) {
				err := ch.Query(t.Context(), "root/cimv2", "SELECT * FROM X", func(Instance) error { return nil })
				if e, ok := errors.AsType[*photopush.Error](err); !ok || e.Reason != test.reason || !strings.Contains(e.Error(), test.says) {
					t.Errorf("got %v, want %s: …%s", err, test.reason, test.says)
				}
			})
		})
	}
}

func TestQueryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	queried(t, func(_ int, r *soapRequest) *hostAnswer {
		cancel()
		return &hostAnswer{hang: true}
	}, func(ch *Channel) {
		err := ch.Query(ctx, "root/cimv2", "SELECT * FROM X", func(Instance) error { return nil })
		if !errors.Is(err, context.Canceled) || photopush.ReasonOf(err) != photopush.Timeout {
			t.Errorf("got %v", err)
		}
	})
}

// TestQueryRefused asks what must not be sent; no request is made.
func TestQueryRefused(t *testing.T) {
	h := queried(t, nil, func(ch *Channel) {
		for _, q := range [][2]string{{"", "x"}, {"root/<cimv2>", "x"}, {"root", ""}, {"root", "\x00"}, {"root", strings.Repeat("x", maxQuery+1)}} {
			if err := ch.Query(t.Context(), q[0], q[1], nil); photopush.ReasonOf(err) != photopush.Internal {
				t.Errorf("%.20q: got %v", q, err)
			}
		}
	})
	if n := h.names(); len(n) > 0 {
		t.Errorf("asked %v", n)
	}
}

func TestParseDatetime(t *testing.T) {
	for text, want := range map[string]string{
		"2014-04-03T14:45:50.46875+08:00": "2014-04-03T06:45:50.46875Z",
		"2013-03-09T03:06:25Z":            "2013-03-09T03:06:25Z",
		"20260705180001.500000-300":       "2026-07-05T23:00:01.5Z",
		"20110328152159.578125+060":       "2011-03-28T14:21:59.578125Z",
		"16010101000000.000000+000":       "0001-01-01T00:00:00Z",
		"":                                "0001-01-01T00:00:00Z",
		"20110328152159.578125*060":       "error",
		"20110328******.******+060":       "error",
		"20111328152159.578125+060":       "error",
		"20110328152159.578125+0x0":       "error",
		"2013-03-09T03:06:25":             "error",
		"yesterday":                       "error",
	} {
		got, err := parseDatetime(text)
		if s := got.Format(time.RFC3339Nano); err == nil && s != want || err != nil && want != "error" {
			t.Errorf("%q: got %s, %v, want %s", text, s, err, want)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	r := &soapRequest{Action: actionEnumerate, MessageID: "X"}
	f.Add([]byte(enumerated(r, "A", fmt.Sprintf(fragment, testSID, "true", "2026-03-04T05:06:07Z"), `<w:EndOfSequence/>`).body))
	f.Add([]byte(enumerated(r, "A", `<p:A xmlns:p="u"><p:B>1</p:B><p:B><![CDATA[2]]></p:B><p:C><p:D>x</p:D></p:C></p:A>`, "").body))
	f.Add([]byte(faultAnswer(r, 2150859012, "no").body))
	f.Fuzz(func(t *testing.T, body []byte) {
		pg, err := parsePage(body)
		if err != nil {
			if _, ok := errors.AsType[*malformedError](err); !ok {
				t.Errorf("error %T", err)
			}
			return
		}
		if len(pg.instances) > maxElements || len(pg.context) > maxContext {
			t.Errorf("%d instances, context of %d bytes", len(pg.instances), len(pg.context))
		}
		for _, i := range pg.instances {
			if p, ok, err := userProfile(i); ok && (err != nil || !p.SID.IsAccount()) {
				t.Errorf("profile %+v", p)
			}
			smbSession(i, time.Time{})
		}
	})
}
