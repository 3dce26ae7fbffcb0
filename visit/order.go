package visit

import (
	"slices"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// chosen are the pairs that the visit is about: in a dry run that of one user. What an administrator asks for him counts whatever is wanted for
// him otherwise, and also where nobody knows him but the workstation.
func (c *contact) chosen(pairs []photopush.Pair) []photopush.Pair {
	user := c.task.For
	if user == "" {
		return pairs
	}
	if c.task.DryRun {
		pairs = slices.DeleteFunc(slices.Clone(pairs), func(p photopush.Pair) bool { return p.User != user })
	}
	if c.task.Order == "" {
		return pairs
	}
	i := slices.IndexFunc(pairs, func(p photopush.Pair) bool { return p.User == user })
	if i < 0 {
		i = len(pairs)
		pairs = append(pairs, photopush.Pair{Workstation: c.w.ID, User: user})
	}
	pairs[i].Want, pairs[i].Reason, pairs[i].Detail = photopush.Absent, "", ""
	return pairs
}

// tell says what would be done, and does nothing.
func (c *contact) tell(wishes []accountpicture.Wish) error {
	verbs, err := accountpicture.Plan(c.inv, c.without(wishes), c.Options)
	if err != nil {
		return err
	}
	c.out.Steps = accountpicture.Describe(verbs, c.inv, c.name)
	return c.failure()
}

// name is how a user is called in what people read.
func (c *contact) name(sid photopush.SID) string {
	if c.Name == nil {
		return string(sid)
	}
	return c.Name(sid)
}

// tellEntries logs where the permissions of a key had to be changed for a moment.
func (c *contact) tellEntries(answers []accountpicture.Answer) {
	for _, a := range answers {
		if a.Before != "" && a.SID != "" {
			c.Log.Info("temporary permission", "workstation", c.w.Host, "sid", a.SID, "before", a.Before, "after", a.After)
		}
		for _, u := range a.Undone {
			c.Log.Info("took off a temporary permission that an ended run had left", "workstation", c.w.Host, "sid", u.SID, "before", u.ACL, "after", u.After)
		}
	}
}
