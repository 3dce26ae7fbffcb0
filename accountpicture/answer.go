package accountpicture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/photopush/photopush"
)

// Bounds of an answer. The script's own are in docs/script.md; an inventory of a workstation with a dozen users has some 40 KB.
const (
	MaxAnswer    = 16 << 20 // bytes of standard output
	maxAnswers   = 50_000   // verbs
	maxPerson    = 1_000    // profiles, users
	maxFiles     = 100      // of one user
	maxData      = 520      // UTF-16 code units of a value's data
	maxMessage   = 300      // UTF-16 code units
	maxText      = 260      // UTF-16 code units of a fact
	answerBegins = "#photopush-answer"
	answerEnds   = "#end-of-answer"
)

// An Answer is what the script says of one verb. Only the fields of that verb are set.
type Answer struct {
	Verb string // as the verb's Name; "input" for a line that was none, Start when the script did not run
	OK   bool

	// Of a failure: why, in our word; the HRESULT of the error, 0 for a guard or an expected state that did not hold; the step, a fixed
	// word of docs/script.md; and text for people.
	Reason  photopush.Reason
	HResult uint32
	Where   string
	Message string

	Inventory *photopush.Inventory // of TakeInventory; Taken is zero
	Truncated bool                 // the inventory has more profiles, users or files than are listed

	Access *Access // of Check

	SID     photopush.SID     // of TightenACL: empty for KeyUsers
	File    string            // of PutFile
	SHA256  string            // of PutFile: of the file as read back
	New     bool              // of PutFile: it was not there before
	State   string            // of SetValues, DeleteValues and RestoreOriginal: after it; of SaveOriginal: what is kept
	Values  []photopush.Value // of those that write values: as read back
	Rung    string            // of those that write values: plain, or ace where a temporary entry was needed
	Before  string            // of TightenACL, and with the rung ace: owner and DACL (SDDL) before it
	After   string            // the same after it
	Missing []string          // of RestoreOriginal: values that were kept and could not be put back
	Deleted []string          // of DeleteFiles: files that are gone
	Kept    []string          // of DeleteFiles: files that could not be deleted
	Folder  bool              // of DeleteFiles: the user's folder is still there
	Undone  []Undone          // of Recover
}

// An Undone is a journal that a run has found, and whose permissions it has put back.
type Undone struct {
	SID   photopush.SID
	ACL   string // owner and DACL (SDDL) that the journal held; empty where the key is gone
	After string // the same as read after it
}

// Access is what an account may do on a workstation, as Check found it.
type Access struct {
	Key     bool            // the key UsersKey is there, and users' keys can be made in it; false where it is missing and can be made itself
	Users   int             // users with a key, at most 1,000
	Refused []photopush.SID // those of them whose key could not be opened to set values, ascending
	Closed  []photopush.SID // those of the refused whose permissions may not be changed either, ascending: no rung helps
	Folder  bool            // our folder for pictures is there
}

// Start stands for a verb in the answer of a script that did not run: the language is constrained, or something blocks it.
const Start = "start"

// ErrNoAnswer is in the chain when standard output holds no complete answer: the script did not run to its end.
var ErrNoAnswer = errors.New("no complete answer on standard output")

// ParseAnswer reads the standard output of a run. It is hostile input: what does not look as the script would write it is an error.
func ParseAnswer(stdout []byte) ([]Answer, error) {
	if len(stdout) > MaxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes", MaxAnswer)
	}
	lines, err := answerLines(stdout)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, 0, len(lines))
	for i, line := range lines {
		if i > 0 && !answers[i-1].OK {
			return nil, fmt.Errorf("line %d of the answer stands after a failure", i+1)
		}
		a, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the answer: %w", i+1, err)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// answerLines are the lines between the markers. What a profile, a product or the host prints around them does not count.
func answerLines(stdout []byte) ([][]byte, error) {
	var lines [][]byte
	inside := false
	for len(stdout) > 0 {
		var line []byte
		line, stdout, _ = bytes.Cut(stdout, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case !inside:
			inside = string(line) == answerBegins
		case string(line) == answerEnds:
			return lines, nil
		case len(lines) == maxAnswers:
			return nil, fmt.Errorf("the answer has more than %d lines", maxAnswers)
		default:
			lines = append(lines, line)
		}
	}
	return nil, ErrNoAnswer
}

func parseLine(line []byte) (Answer, error) {
	var head struct {
		Verb string `json:"verb"`
		OK   *bool  `json:"ok"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Answer{}, err
	}
	if head.OK == nil {
		return Answer{}, errors.New("ok is missing")
	}
	if !*head.OK {
		return parseFailure(line)
	}
	parse, ok := parsers[head.Verb]
	if !ok {
		return Answer{}, fmt.Errorf("the verb is %q", cut(head.Verb, 40))
	}
	a, err := parse(line)
	a.Verb, a.OK = head.Verb, true
	return a, err
}

var parsers = map[string]func(line []byte) (Answer, error){
	TakeInventory{}.Name():   parseInventory,
	Check{}.Name():           parseCheck,
	PutFile{}.Name():         parsePutFile,
	SaveOriginal{}.Name():    parseSaveOriginal,
	SetValues{}.Name():       parseWritten,
	DeleteFiles{}.Name():     parseDeleteFiles,
	DeleteValues{}.Name():    parseWritten,
	RestoreOriginal{}.Name(): parseRestored,
	TightenACL{}.Name():      parseTightened,
	Recover{}.Name():         parseRecovered,
}

// envelope are the fields of every answer that was read already.
type envelope struct {
	Verb string `json:"verb"`
	OK   bool   `json:"ok"`
}

// strictly reads one JSON object that has no field but those of to.
func strictly(line []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands after the object")
	}
	return nil
}

// failureReasons are those that the script and its bootstrap know.
var failureReasons = []photopush.Reason{photopush.Conflict, photopush.Denied, photopush.UnsafePath, photopush.DiskFull, photopush.Quota,
	photopush.Unsupported, photopush.Script, photopush.ConstrainedLanguage}

var (
	verbForm  = regexp.MustCompile(`\A(start|input|inventory|check|put_file|save_original|set_values|delete_files|delete_values|restore_original|tighten_acl|recover)\z`)
	whereForm = regexp.MustCompile(`\A[A-Za-z-]{1,32}\z`)
)

func parseFailure(line []byte) (Answer, error) {
	var w struct {
		envelope
		Reason  photopush.Reason `json:"reason"`
		HResult uint32           `json:"hresult"`
		Where   string           `json:"where"`
		Message string           `json:"message"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	err := errors.Join(
		fault(verbForm.MatchString(w.Verb), "the verb is %q", cut(w.Verb, 40)),
		fault(slices.Contains(failureReasons, w.Reason), "the reason is %q", cut(string(w.Reason), 40)),
		fault(whereForm.MatchString(w.Where), "the place is %q", cut(w.Where, 40)))
	return Answer{Verb: w.Verb, Reason: w.Reason, HResult: w.HResult, Where: w.Where, Message: clean(w.Message, maxMessage)}, err
}

func parseCheck(line []byte) (Answer, error) {
	var w struct {
		envelope
		Key     bool            `json:"key"`
		Users   int             `json:"users"`
		Refused []photopush.SID `json:"refused"`
		Closed  []photopush.SID `json:"closed"`
		Folder  bool            `json:"folder"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	err := errors.Join(
		fault(w.Users >= len(w.Refused) && w.Users <= maxPerson, "%d users, of whom %d are refused", w.Users, len(w.Refused)),
		ascending(w.Refused), ascending(w.Closed))
	for _, sid := range w.Closed {
		err = errors.Join(err, fault(slices.Contains(w.Refused, sid), "user %s is closed, and not refused", sid))
	}
	return Answer{Access: &Access{Key: w.Key, Users: w.Users, Refused: w.Refused, Closed: w.Closed, Folder: w.Folder}}, err
}

// ascending wants users, each once and in order.
func ascending(sids []photopush.SID) (err error) {
	for i, sid := range sids {
		err = errors.Join(err, isUser(sid), fault(i == 0 || sids[i-1] < sid, "the users are not in order"))
	}
	return err
}

func isUser(sid photopush.SID) error {
	return fault(sid.IsAccount(), "the user is %q", cut(string(sid), 70))
}
