package accountpicture

import (
	"errors"
	"fmt"

	"github.com/photopush/photopush"
)

// A Failure is the answer of a verb that could not be done.
type Failure struct {
	User   photopush.SID // whose verb it was; empty where it concerns the whole run: the lock, the roots, the inventory
	Answer Answer
}

func (f *Failure) Error() string {
	s := f.Answer.Where
	if f.Answer.HResult != 0 {
		s += fmt.Sprintf(", HRESULT 0x%08X", f.Answer.HResult)
	}
	if f.Answer.Message != "" {
		s += ": " + f.Answer.Message
	}
	return s
}

// UnsafeFolder tells whether a folder on the way to the pictures is not safe, or could not be judged.
func (f *Failure) UnsafeFolder() bool { return f.Answer.Where == "guard" }

// FailedUser is the user whose verb failed, or the permissions of whose key were Changed; false when err is something else, or concerns the
// whole workstation.
func FailedUser(err error) (photopush.SID, bool) {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.User, f.User != ""
	}
	if c, ok := errors.AsType[*Changed](err); ok {
		return c.User, true
	}
	return "", false
}

// Locked tells whether another run of the script was still at work.
func Locked(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Answer.Where == "lock"
}

func failed(inv *photopush.Inventory, v Verb, a Answer, first bool) error {
	f := &Failure{Answer: a}
	if v.Changes() && a.Verb == v.Name() && !ofRun(v, a.Where, first) {
		f.User = v.User()
	}
	if inv != nil {
		halfway(inv, v, a.Where)
	}
	return &photopush.Error{Reason: a.Reason, Op: v.Name(), On: string(v.User()), Err: f}
}

// ofRun tells whether a step stops any verb of any user: the start of a run fails as its first verb. Where a journal is known of, that verb is
// Recover, which is nobody's; where not, the steps of undoing one are told from the verb's own as far as it has none of that name.
func ofRun(v Verb, where string, first bool) bool {
	switch where {
	case "lock", "roots", "Enter-Lock", "bootstrap", "journal":
		return true
	case "open-key", "Set-KeyDacl":
		return first && !writesKey(v)
	case "Remove-OwnFile":
		switch v.(type) {
		case PutFile, DeleteFiles, TightenACL:
			return first
		}
	}
	return false
}

// writesKey tells whether the verb opens a key to change it.
func writesKey(v Verb) bool {
	switch v.(type) {
	case SetValues, DeleteValues, RestoreOriginal, TightenACL:
		return true
	}
	return false
}

// halfway takes back what is not known any more after a verb that stopped at a step.
func halfway(inv *photopush.Inventory, v Verb, where string) {
	switch v := v.(type) {
	case SetValues:
		halfWritten(inv, v, where, v.Rungs)
	case DeleteValues:
		halfWritten(inv, v, where, v.Rungs)
	case RestoreOriginal:
		halfWritten(inv, v, where, v.Rungs)
	case SaveOriginal:
		if where == "Move-OwnFile" {
			edit(inv, v.SID, func(account *photopush.Account) { account.Saved, account.Earlier = "", 0 })
		}
	case TightenACL:
		if where == "Set-KeyOwner" || where == "Set-KeyDacl" || where == "acl" {
			setACL(inv, v.Key, "")
		}
	}
}

// written are the steps after which values may have changed. Those of the temporary entry are among them: the first and the last of them have
// the same name.
var written = map[string]bool{"New-PictureKey": true, "Remove-PictureKey": true, "Set-PictureValue": true, "Remove-PictureValue": true,
	"values": true, "Set-KeyDacl": true, "Remove-OwnFile": true}

func halfWritten(inv *photopush.Inventory, v Verb, where string, rungs Rungs) {
	if !written[where] && where != "Move-OwnFile" {
		return
	}
	edit(inv, v.User(), func(account *photopush.Account) {
		if written[where] {
			account.Error = "the result of a " + v.Name() + " that stopped at " + where
		}
		if rungs == RungsToEntry && (where == "Set-KeyDacl" || where == "Remove-OwnFile" || where == "Move-OwnFile") {
			account.ACL, account.Journal = "", true // perhaps; a run that finds none does nothing
		}
	})
}
