package accountpicture

import (
	"fmt"
	"slices"

	"github.com/photopush/photopush"
)

// Describe tells what verbs do, a line for each step, to someone who knows Windows and not the script. inv is what they were planned from;
// name is how people call the user, and may be the SID.
func Describe(verbs []Verb, inv *photopush.Inventory, name func(photopush.SID) string) []string {
	var lines []string
	for i := 0; i < len(verbs); i++ {
		if put, ok := verbs[i].(PutFile); ok {
			n := putsOf(verbs[i:], put.SID)
			lines = append(lines, name(put.SID)+": "+describePuts(verbs[i:i+n], folder(inv, put.SID)))
			i += n - 1
			continue
		}
		for _, line := range describe(verbs[i], inv, name) {
			if user := verbs[i].User(); user != "" {
				line = name(user) + ": " + line
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// putsOf counts the files of one user that are put one after another.
func putsOf(verbs []Verb, sid photopush.SID) int {
	n := slices.IndexFunc(verbs, func(v Verb) bool {
		put, ok := v.(PutFile)
		return !ok || put.SID != sid
	})
	if n < 0 {
		return len(verbs)
	}
	return n
}

func describePuts(verbs []Verb, folder string) string {
	var size int64
	for _, v := range verbs {
		size += int64(len(v.(PutFile).Bytes))
	}
	return fmt.Sprintf("write %s (%s) to %s", count(len(verbs), "picture file"), roughly(size), folder)
}

func describe(v Verb, inv *photopush.Inventory, name func(photopush.SID) string) []string {
	a := inv.Account(v.User())
	key := keyPath(string(v.User()))
	switch v := v.(type) {
	case TakeInventory:
		return []string{"read what is there"}
	case Check:
		return []string{"try whether the keys of account pictures may be written, and whether the folders are safe; change nothing"}
	case Recover:
		return []string{"take back the temporary permissions that an interrupted run has left"}
	case SaveOriginal:
		if len(a.Values) == 0 {
			return []string{"keep that there was no picture before"}
		}
		return []string{fmt.Sprintf("keep what was there before (%s)", count(len(a.Values), "value"))}
	case SetValues:
		return []string{fmt.Sprintf("set %s of %s%s", count(len(v.Values), "value"), key, v.Rungs.describe())}
	case DeleteValues:
		return []string{fmt.Sprintf("delete %s of %s%s", count(len(v.Values), "value"), key, v.Rungs.describe())}
	case RestoreOriginal:
		return []string{describeRestore(a, key) + v.Rungs.describe()}
	case DeleteFiles:
		return []string{fmt.Sprintf("delete %s of ours that %s not needed any more", count(len(v.Files), "file"), are(len(v.Files)))}
	case TightenACL:
		return describeTighten(v, inv, name)
	}
	return []string{v.Name()}
}

func describeRestore(a photopush.Account, key string) string {
	switch {
	case a.Earlier > 0:
		return fmt.Sprintf("put back what was there before (%s), and delete the other values of %s", count(a.Earlier, "value"), key)
	case a.Saved == photopush.StateAbsent:
		return fmt.Sprintf("delete the picture values of %s, and the key if nothing else is in it: there was none before", key)
	}
	return fmt.Sprintf("delete the picture values of %s: the files of the picture before are gone", key)
}

// describeTighten has a line for each thing that is found on the key and mended.
func describeTighten(v TightenACL, inv *photopush.Inventory, name func(photopush.SID) string) []string {
	sddl := inv.UsersACL
	if v.Key != KeyUsers {
		sddl = inv.Account(v.User()).ACL
	}
	var lines []string
	for _, f := range judge(v.Key, sddl) {
		who := f.Name
		if sid := photopush.SID(f.Trustee); sid.IsAccount() && who == f.Trustee {
			who = name(sid)
		}
		switch {
		case f.Inherited || f.Unclear != "":
		case f.Owner && slices.Contains(v.Trustees, TrusteeOwner):
			lines = append(lines, fmt.Sprintf("make Administrators the owner of %s (now: %s)", keyPath(v.Key), who))
		case !f.Owner && (slices.Contains(v.Trustees, f.Trustee) || f.Trustee == domainUsersAlias):
			line := fmt.Sprintf("let %s only read %s (now: %s)", who, keyPath(v.Key), f.May)
			if f.Below {
				line += ", keys below inherit it"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (r Rungs) describe() string {
	if r == RungsToEntry {
		return "; if Windows refuses: a temporary permission for Administrators on this key alone"
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// roughly is a size for people, as Windows shows it.
func roughly(size int64) string {
	switch {
	case size < 1000:
		return fmt.Sprintf("%d B", size)
	case size < 1_000_000:
		return fmt.Sprintf("%d KB", (size+500)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(size)/1e6)
}
