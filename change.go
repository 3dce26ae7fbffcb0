package photopush

import "time"

// A Bookmark is a place in the history of a domain's directory, as it is stored with what was read up to there.
type Bookmark struct {
	Place    []byte    // at most 64 KiB; only package directory knows what it says; nil where nothing was read yet
	Recipes  string    // names the recipes by which the photos were judged
	Complete time.Time // when the last complete read of the domain began; zero where there was none
	Revision int64     // how often it was stored: who finds another one has been overtaken by another process
}

// A Change is an object of the directory, in scope or not, that was added, changed, moved or deleted.
type Change struct {
	ID    GUID
	Photo bool // its photos may be others; false: they are as they were
}

// Changes are what has happened in a domain since a bookmark.
type Changes struct {
	All  bool     // everything must be read anew: what has changed since is not known
	Why  string   // one sentence to All, for the log; empty without it
	List []Change // each object once; nil with All
	Next []byte   // the place up to which List, or a read of everything that begins after this answer, tells all; nil where there is none
}

// A UserQuery says which users are read, and what of them.
type UserQuery struct {
	IDs    []GUID // those of them that are in scope; nil: everybody in scope
	Photos bool   // with their photos; a user without photos and one whose photos were not read look alike
}
