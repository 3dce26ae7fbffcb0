package winrm

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
)

// A recording is a conversation of another client with a real Windows WinRM service.
type recording struct {
	Messages []struct {
		Request        string
		Response       string
		TransportError struct{ Code int } `yaml:"transport_error"`
	}
}

// recordings reads the folder vectors/winrs of PHOTOPUSH_SHARED, by default ../shared beside the module.
func recordings(t *testing.T) map[string]recording {
	shared := os.Getenv("PHOTOPUSH_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	dir := filepath.Join(shared, "vectors", "winrs")
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no recordings in %s", dir)
		}
		t.Skipf("no recordings in %s: set PHOTOPUSH_SHARED", dir)
	}
	all := map[string]recording{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rec recording
		if err := yaml.Unmarshal(data, &rec); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yml")] = rec
	}
	return all
}

// TestRecordedAnswers parses every recorded answer and compares what it says.
func TestRecordedAnswers(t *testing.T) {
	got := map[string][]string{}
	for name, rec := range recordings(t) {
		for _, m := range rec.Messages {
			var r reply
			if err := parse([]byte(m.Response), &r, 1<<20); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			id := regexp.MustCompile(`MessageID>uuid:([^<]*)<`).FindStringSubmatch(m.Request)[1]
			action := regexp.MustCompile(`Action s:mustUnderstand="true">([^<]*)<`).FindStringSubmatch(m.Request)[1]
			status := http.StatusOK
			if m.TransportError.Code != 0 {
				status = m.TransportError.Code
			}
			err := r.answers(message{action: action, messageID: id}, status)
			got[name] = append(got[name], says(&r, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if diff := cmp.Diff(recorded[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if len(got) < len(recorded) {
		t.Errorf("%d recordings, want %d", len(got), len(recorded))
	}
}

func says(r *reply, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case r.shellID != "":
		return "shell " + r.shellID
	case r.commandID != "":
		return "command " + r.commandID
	case r.streams > 0:
		s := fmt.Sprintf("%s: %q %q", r.streamID, r.stdout[:min(len(r.stdout), 60)], r.stderr)
		if r.done {
			s += fmt.Sprintf(" exit %d", r.exitCode)
		}
		return s
	}
	return r.action[strings.LastIndexByte(r.action, '/')+1:]
}

// recorded is what the recordings say. In test_winrs_unicode the last answer relates to another request, and is found out.
var recorded = map[string][]string{
	"test_winrs_bad_cmd_id": {
		"shell CCF84E0D-D0B5-4CFB-95B5-BCF3BFE15F36", "command 644983A8-4292-4922-97E9-D569C2170784",
		"fault 2150858843 (UNEXPECTED_SELECTORS): The Windows Remote Shell received a request to perform an operation on a command identifier " +
			"that does not exist. Either the command has completed execution or the client specified an invalid command identifier.; " +
			"the shell or the command is gone there",
		"SignalResponse", "DeleteResponse",
	},
	"test_winrs_environment": {
		"shell 58B89A37-84F9-4874-8999-AA7578B34ABE", "command 5879C5BD-FCDB-4F87-9FCF-D1B8870B661C",
		`5879C5BD-FCDB-4F87-9FCF-D1B8870B661C: "1234=5678\r\nPROMPT=$P$G\r\n_-(){}[]<>*+-/\\?\"!@#$^&|;:i,.` + "`" + `~0=_-(" "" exit 0`,
		"SignalResponse", "DeleteResponse",
	},
	"test_winrs_extra_opts": {
		"shell CBA3E536-A3A2-4B88-9ED3-4919930E15C2", "command 9132F099-E87C-4B08-98C0-0706D2426E6B",
		`9132F099-E87C-4B08-98C0-0706D2426E6B: "C:\\Windows\r\n" "" exit 0`, "SignalResponse", "DeleteResponse",
	},
	"test_winrs_fail_poll_process": {
		"shell 8ABEA8D2-0438-4D75-A594-55DCA786B4E1",
		"fault 87 (INVALID_PARAMETER): Shell cmd plugin: The parameter is incorrect.; photopush sent something wrong: please report it with the log",
		"DeleteResponse",
	},
	"test_winrs_no_cmd_shell": {
		"shell F15E6BF4-8A64-41F7-BDDE-13F83D9D22DD",
		"fault 2147942402 (FILE_NOT_FOUND): Shell cmd plugin: The system cannot find the file specified.; find out why Windows PowerShell is not where it belongs there",
		"command F1363DFB-B5F9-4FDF-AC84-F67D2A886704", `F1363DFB-B5F9-4FDF-AC84-F67D2A886704: "hi\n" "" exit 0`,
		"SignalResponse", "DeleteResponse",
	},
	"test_winrs_noprofile": {
		"shell 7A271A26-8366-47DD-8B8C-807E1D1C614F", "command FF1FEC9F-9093-4DFF-9EC5-D487B67FDB9A",
		`FF1FEC9F-9093-4DFF-9EC5-D487B67FDB9A: "ALLUSERSPROFILE=C:\\ProgramData\r\nChocolateyInstall=C:\\Program" "" exit 0`,
		"SignalResponse", "DeleteResponse",
	},
	"test_winrs_open_already_opened": {"shell ED7FD87E-E041-4BC2-A22F-B58FF7833094", "DeleteResponse"},
	"test_winrs_operation_timeout": {
		"shell 849551A1-CEC2-4ABD-8B62-652AD1053E9B", "command D644AE56-61E5-4C1A-A135-E599B76B3035",
		`D644AE56-61E5-4C1A-A135-E599B76B3035: "hi\n" ""`, timedOut, timedOut,
		`D644AE56-61E5-4C1A-A135-E599B76B3035: "hi again\n" "" exit 0`, "SignalResponse", "DeleteResponse",
	},
	"test_winrs_send": {
		"shell 0D6FCA9D-2D40-44C3-B691-E665BE7AA687", "command B0973E54-434E-4D99-B4BE-ADE584CE3BFB", "SendResponse", "SendResponse",
		`B0973E54-434E-4D99-B4BE-ADE584CE3BFB: "output 1\noutput 2\n" "" exit 0`, "SignalResponse", "DeleteResponse",
	},
	"test_winrs_standard": {
		"shell 4283CBDC-3706-415B-88BD-B385F3E51A53", "command CF84C20A-0A35-43FA-AF78-0B4711DA5F30",
		`CF84C20A-0A35-43FA-AF78-0B4711DA5F30: "hi\r\n" "" exit 0`, "SignalResponse", "DeleteResponse",
	},
	"test_winrs_stderr_rc": {
		"shell 44AF9A2C-624E-4975-AB20-CEB406E440B9", "command D37A8327-79AD-452F-BE0D-4B99A96B4A0B",
		`D37A8327-79AD-452F-BE0D-4B99A96B4A0B: "out \r\n" "err \r\n" exit 1`, "SignalResponse", "DeleteResponse",
	},
	"test_winrs_unicode": {
		"shell 3C225977-02C6-42E5-9D66-5BBDAB4859B1", "command 1B922CC0-CE49-4A7E-AC46-B01C472B49A9",
		`1B922CC0-CE49-4A7E-AC46-B01C472B49A9: "こんにちは\n" "" exit 0`, "SignalResponse",
		"not an answer of WinRM: it answers another request (RelatesTo)",
	},
}

const timedOut = "fault 2150858793 (OPERATION_TIMEDOUT): The WS-Management service cannot complete the operation within the time specified in OperationTimeout."

// TestReplay runs a session against each recording: the host gives the recorded answers, with RelatesTo set to our request, and says
// nothing of its own but to Command and Send where the recording has none.
func TestReplay(t *testing.T) {
	for name, rec := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.override = replay(t, rec)
			cfg := testConfig(t)
			c := testClient(t, cfg, dialTo(h.listen()))
			s, err := c.Open(t.Context(), testWorkstation)
			if err != nil {
				t.Fatal(err)
			}
			if got := runSays(s.Run(t.Context(), commandLine, []byte("input"))); got != replayed[name][0] {
				t.Errorf("got  %s\nwant %s", got, replayed[name][0])
			}
			if len(replayed[name]) > 1 {
				if got := runSays(s.Run(t.Context(), commandLine, []byte("input"))); got != replayed[name][1] {
					t.Errorf("second run: got  %s\nwant %s", got, replayed[name][1])
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func runSays(out photopush.Output, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.12q %q %d", out.Stdout, out.Stderr, out.ExitCode)
}

var replayed = map[string][]string{
	"test_winrs_bad_cmd_id":          {"run on ws1.corp.example: unknown: " + recorded["test_winrs_bad_cmd_id"][2]},
	"test_winrs_environment":         {`"1234=5678\r\nP" "" 0`},
	"test_winrs_extra_opts":          {`"C:\\Windows\r\n" "" 0`},
	"test_winrs_fail_poll_process":   {"run on ws1.corp.example: unknown: " + recorded["test_winrs_fail_poll_process"][1]},
	"test_winrs_no_cmd_shell":        {"run on ws1.corp.example: unsupported: " + recorded["test_winrs_no_cmd_shell"][1], `"hi\n" "" 0`},
	"test_winrs_noprofile":           {`"ALLUSERSPROF" "" 0`},
	"test_winrs_open_already_opened": {`"read 5 bytes" "" 0`},
	"test_winrs_operation_timeout":   {`"hi\nhi again\n" "" 0`},
	"test_winrs_send":                {`"output 1\nout" "" 0`},
	"test_winrs_standard":            {`"hi\r\n" "" 0`},
	"test_winrs_stderr_rc":           {`"out \r\n" "err \r\n" 1`},
	"test_winrs_unicode":             {`"こんにちは\n" "" 0`},
}

// replay gives the recorded answers in their order, action by action.
func replay(t *testing.T, rec recording) func(int, *soapRequest) *hostAnswer {
	relates := regexp.MustCompile(`RelatesTo>uuid:[^<]*<`)
	next := 0
	return func(_ int, r *soapRequest) *hostAnswer {
		for i, m := range rec.Messages[next:] {
			if !strings.Contains(m.Request, ">"+r.Action+"<") {
				continue
			}
			next += i + 1
			a := &hostAnswer{status: 200, body: relates.ReplaceAllString(m.Response, "RelatesTo>uuid:"+r.MessageID+"<")}
			if m.TransportError.Code != 0 {
				a.status = m.TransportError.Code
			}
			return a
		}
		switch r.name() {
		case "Command":
			return okAnswer(r, `<rsp:CommandResponse><rsp:CommandId>`+r.OwnID+`</rsp:CommandId></rsp:CommandResponse>`)
		case "Receive":
			return okAnswer(r, (&host{}).output(r.OwnID, &hostCommand{stdin: make([]byte, 5)}))
		}
		return okAnswer(r, "")
	}
}
