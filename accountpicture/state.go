package accountpicture

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/photopush/photopush"
)

// Kinds of values.
const (
	kindString = "sz"
	kindExpand = "expand_sz"
	kindOther  = "other"
)

// State names the values of an existing key exactly, as the script does; they must be in the order of ValueNames, and not cut. The
// state of a missing key is photopush.StateAbsent.
func State(values []photopush.Value) string {
	h := sha256.New()
	for _, v := range values {
		fmt.Fprintf(h, "%s=%s:%s\n", v.Name, v.Kind, v.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
