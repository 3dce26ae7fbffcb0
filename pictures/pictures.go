// Package pictures keeps the picture sets that visits need in memory, within a bound, and fills itself from the directory on
// demand: a user of a hundred workstations is read and rendered once. How a picture set is made is package photo's affair.
package pictures

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A Source reads photos; in the server it is the directory.
type Source interface {
	// Photos returns the user and what the directory has of his photos now, none without an error for a user who has none.
	Photos(ctx context.Context, sid photopush.SID) (photopush.User, []photopush.Photo, error)
}

// A Cache makes picture sets and keeps those that were used last.
type Cache struct {
	src      Source
	recipes  *photo.Recipes
	rule     Rule
	slots    chan struct{} // one for each photo that is being decoded
	fetches  chan struct{} // one for each user whose photos are held
	requests flights[request, *photo.Set]
	renders  flights[string, *photo.Set]

	mu   sync.Mutex
	sets lru[string, *photo.Set]           // by digest; costs bytes
	seen lru[[sha256.Size]byte, seenPhoto] // by SHA-256 of the photo; each costs one
}

// A request is somebody's wish for a picture set. The digest belongs to it: who wants the new photo must not be given what was read for the old one.
type request struct {
	sid    photopush.SID
	digest string
}

// A seenPhoto is a photo that was decoded once: what was wrong with it, or nil.
type seenPhoto struct{ err error }

// maxSeen bounds the memory of photos that were decoded; about 8 MB.
const maxSeen = 50_000

// maxRenders bounds how many photos are decoded at once, however many processors there are: each may take 320 MiB at the worst.
const maxRenders = 8

// maxFetches bounds the users whose photos are read and held at once: each may have several files of 32 MiB. It is more than maxRenders, so that reading keeps ahead
// of decoding.
const maxFetches = 2 * maxRenders

// New makes an empty cache. As many photos are decoded at once as Go uses processors.
func New(src Source, recipes *photo.Recipes, cfg Config) *Cache {
	return &Cache{
		src:     src,
		recipes: recipes,
		rule:    cfg.Rule,
		slots:   make(chan struct{}, min(runtime.GOMAXPROCS(0), maxRenders)),
		fetches: make(chan struct{}, maxFetches),
		sets:    newLRU[string, *photo.Set](int64(cfg.CacheSize)),
		seen:    newLRU[[sha256.Size]byte, seenPhoto](maxSeen),
	}
}

// Set returns the picture set of that digest, from memory, or made from what the directory has of the user now. When the photo has changed
// meanwhile, the set has another digest: the caller remembers what he pushed. Errors: those of the Source; no_photo and bad_photo; ctx's
// own. A set is shared: nobody writes to it.
func (c *Cache) Set(ctx context.Context, sid photopush.SID, digest string) (*photo.Set, error) {
	if set, ok := c.cached(digest); ok {
		return set, nil
	}
	set, err := c.requests.do(ctx, request{sid, digest}, func() (*photo.Set, error) {
		if set, ok := c.cached(digest); ok { // made since the first look
			return set, nil
		}
		return c.fetch(ctx, sid)
	})
	if err != nil && err == ctx.Err() { // nobody said yet what was waited for
		return nil, fmt.Errorf("make the picture of %s: %w", sid, err)
	}
	return set, err
}

// fetch makes the picture set of the best photo that the directory has of sid.
func (c *Cache) fetch(ctx context.Context, sid photopush.SID) (*photo.Set, error) {
	select {
	case c.fetches <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.fetches }()
	user, photos, err := c.src.Photos(ctx, sid)
	if err != nil {
		return nil, err
	}
	var set *photo.Set
	_, err = c.rule.choose(string(sid), photos, func(raw []byte) (err error) {
		set, err = c.render(ctx, raw, c.recipes.For(user))
		return err
	})
	return set, err
}

// render makes the picture set of raw, once for all who ask for it by one recipe at the same time, whosever photo it is.
func (c *Cache) render(ctx context.Context, raw []byte, recipe photo.Recipe) (*photo.Set, error) {
	digest := recipe.Digest(raw)
	return c.renders.do(ctx, digest, func() (*photo.Set, error) {
		if set, ok := c.cached(digest); ok {
			return set, nil
		}
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-c.slots }()
		set, err := photo.Render(raw, recipe)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sets.add(digest, set, int64(set.Bytes()))
		return set, nil
	})
}

func (c *Cache) cached(digest string) (*photo.Set, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sets.get(digest)
}

// Choose takes the photo that Set would, and names the picture set that Set would make of it. It decodes photos, as far as it takes to find a good one, so
// that a photo that cannot be pushed is known before anybody is visited; one that was decoded before is only hashed. Errors are those of Rule.Choose.
func (c *Cache) Choose(user photopush.User, photos []photopush.Photo) (photopush.Choice, error) {
	best, err := c.rule.choose("", photos, c.check)
	if err != nil {
		return photopush.Choice{}, err
	}
	return photopush.Choice{Digest: c.recipes.For(user).Digest(best.photo.Bytes), Photo: best.facts(), Detail: strings.Join(best.faults, "; ")}, nil
}

// check decodes raw, unless it did before.
func (c *Cache) check(raw []byte) error {
	key := sha256.Sum256(raw)
	c.mu.Lock()
	seen, ok := c.seen.get(key)
	c.mu.Unlock()
	if ok {
		return seen.err
	}
	c.slots <- struct{}{}
	err := photo.Check(raw)
	<-c.slots
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.add(key, seenPhoto{err}, 1)
	return err
}
