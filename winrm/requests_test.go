package winrm

import (
	"encoding/xml"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestRequestsAreLikeRecorded compares the requests we build with those that a real service accepted: the same elements, namespaces,
// attributes and fixed values, in the same order. What differs is listed below, and nothing else may.
func TestRequestsAreLikeRecorded(t *testing.T) {
	p := prelude{to: "https://ws1.corp.example:5986/wsman", sessionID: newID(), envelope: 512000}
	input, _ := p.send(nil, newID(), newID(), []byte("input"), 512000, time.Second)
	ours := map[string]message{
		"Create": p.create(newID(), time.Minute, time.Second), "Command": p.command(newID(), newID(), "program", "arguments", time.Second),
		"Send": input, "Receive": p.receive(newID(), newID(), time.Second), "Signal": p.signal(newID(), newID(), time.Second),
		"Delete": p.delete(newID(), time.Second),
	}
	theirs := map[string]map[string]bool{}
	for file, rec := range recordings(t) {
		for _, m := range rec.Messages {
			lines := flatten(t, m.Request)
			action := lines[2][strings.LastIndexAny(lines[2], "/ ")+1:]
			if theirs[action] == nil {
				theirs[action] = map[string]bool{}
			}
			for _, l := range lines {
				theirs[action][l] = true
			}
			mine := flatten(t, string(ours[action].envelope))
			if diff := cmp.Diff(common(lines, mine), common(mine, lines)); diff != "" {
				t.Errorf("%s %s: order (-recorded +ours):\n%s", file, action, diff)
			}
		}
	}
	for action, lines := range theirs {
		mine := flatten(t, string(ours[action].envelope))
		all := slices.Sorted(maps.Keys(lines))
		if diff := cmp.Diff(onlyOurs[action], missing(mine, all), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: only in ours (-want +got):\n%s", action, diff)
		}
		if diff := cmp.Diff(onlyRecorded[action], missing(all, mine), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: only in recorded requests (-want +got):\n%s", action, diff)
		}
	}
	if len(theirs) != len(ours) {
		t.Errorf("recorded actions are %d, want %d", len(theirs), len(ours))
	}
}

// onlyOurs is what we send on purpose and the recorded client did not.
var onlyOurs = map[string][]string{
	"Create": {
		"Envelope/Header/OptionSet/Option Name=WINRS_NOPROFILE = TRUE", // recorded with MustComply, which we leave at its default
		"Envelope/Body/Shell ShellId=*",                                // MS-WSMV 2.2.4.37: our own identifier
	},
	"Command": {
		"Envelope/Header/OptionSet/Option Name=WINRS_CONSOLEMODE_STDIN = FALSE", // MS-WSMV 3.1.4.11: standard input is a pipe
		"Envelope/Body/CommandLine CommandId=*",                                 // MS-WSMV 2.2.4.7: our own identifier
	},
	"Signal": {"Envelope/Body/Signal/Code = signal/terminate"},
}

// onlyRecorded is what the recorded client sent and we do not.
var onlyRecorded = map[string][]string{
	"Create": {
		"Envelope/Body/Shell",
		"Envelope/Body/Shell/Environment",
		"Envelope/Body/Shell/Environment/Variable Name=1234 = *",
		"Envelope/Body/Shell/Environment/Variable Name=_-(){}[]<>*+-/\\?\"!@#$^&|;:i,.`~0 = *",
		"Envelope/Body/Shell/Environment/Variable Name=env1 = *",
		"Envelope/Body/Shell/Lifetime = *",
		"Envelope/Body/Shell/Name = *",
		"Envelope/Body/Shell/WorkingDirectory = *",
		"Envelope/Header/OptionSet/Option MustComply=true Name=WINRS_NOPROFILE = TRUE",
	},
	"Command": {
		"Envelope/Body/CommandLine",
		"Envelope/Header/OptionSet/Option Name=WINRS_SKIP_CMD_SHELL = FALSE",
	},
	"Receive": {"Envelope/Body/Receive/DesiredStream = stdout stderr"}, // of the whole shell, in the recording of a mistake
	"Signal":  {"Envelope/Body/Signal/Code = signal/ctrl_c"},
}

// free are the values that differ from request to request.
var free = regexp.MustCompile(`/(MessageID|SessionId|To|Selector Name=ShellId|MaxEnvelopeSize|OperationTimeout|Command|Arguments|Stream [^ ]* End=\* Name=stdin|` +
	`IdleTimeOut|Lifetime|Name|WorkingDirectory|Variable Name=.*) = (.|\n)*|/(MaxEnvelopeSize mustUnderstand=true) = .*|/(SessionId mustUnderstand=false) = .*`)

// flatten makes a line of every element: path, attributes by name, text. Values that are free become a star. Namespaces are checked here.
func flatten(t *testing.T, envelope string) []string {
	var lines, path []string
	d := xml.NewDecoder(strings.NewReader(envelope))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if want := spaces[e.Name.Local]; want != "" && e.Name.Space != want {
				t.Errorf("%s is in the namespace %s, want %s", e.Name.Local, e.Name.Space, want)
			}
			path = append(path, e.Name.Local)
			lines = append(lines, strings.Join(path, "/")+attributes(e.Attr))
		case xml.CharData:
			if len(strings.TrimSpace(string(e))) > 0 {
				lines[len(lines)-1] += " = " + strings.TrimPrefix(string(e), nsShell+"/")
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	for i, l := range lines {
		if strings.Contains(l, "/Option ") {
			l = strings.NewReplacer("= True", "= TRUE", "= False", "= FALSE").Replace(l)
		}
		lines[i] = free.ReplaceAllString(l, "/$1$3$4 = *")
	}
	return lines
}

var spaces = func() map[string]string {
	m := map[string]string{}
	for space, names := range map[string]string{
		nsSOAP: "Envelope Header Body", nsAddressing: "Action MessageID ReplyTo Address To", nsWSManMS: "DataLocale SessionId",
		nsWSMan: "Locale MaxEnvelopeSize OperationTimeout ResourceURI OptionSet Option SelectorSet Selector",
		nsShell: "Shell InputStreams OutputStreams IdleTimeOut CommandLine Command Arguments Send Stream Receive DesiredStream Signal Code",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = space
		}
	}
	return m
}()

func attributes(attrs []xml.Attr) string {
	var all []string
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		if a.Name.Local == "mustUnderstand" && a.Name.Space != nsSOAP {
			a.Name.Local = "unqualified mustUnderstand"
		}
		switch a.Name.Local {
		case "CommandId", "ShellId", "End":
			a.Value = "*"
		}
		all = append(all, a.Name.Local+"="+a.Value)
	}
	slices.Sort(all)
	return strings.Join(append([]string{""}, all...), " ")
}

// common keeps the lines of a that b has too, and of equal ones in a row the first: the recorded client split arguments.
func common(a, b []string) []string {
	return slices.Compact(slices.DeleteFunc(slices.Clone(a), func(l string) bool { return !slices.Contains(b, l) }))
}

// missing keeps the lines of a that b lacks.
func missing(a, b []string) []string {
	l := slices.DeleteFunc(slices.Clone(a), func(l string) bool { return slices.Contains(b, l) })
	return l[:len(l):len(l)]
}
