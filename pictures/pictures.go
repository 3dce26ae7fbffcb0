// Package pictures keeps the picture sets that visits need in memory, within a bound, and fills itself from the directory on
// demand: a user of a hundred workstations is read and rendered once. How a picture set is made is package photo's affair.
package pictures

import (
	"context"

	"github.com/photopush/photopush"
)

// A Source reads photos; in the server it is the directory.
type Source interface {
	// Photos returns what the directory has of a user's photos now, none without an error for a user who has none.
	Photos(ctx context.Context, sid photopush.SID) ([]photopush.Photo, error)
}
