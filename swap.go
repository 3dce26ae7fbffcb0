package photopush

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// The attributes that photos are written to.
const (
	ThumbnailPhoto = "thumbnailPhoto" // one value of at most MaxThumbnail bytes
	JPEGPhoto      = "jpegPhoto"      // any number of values
)

// MaxThumbnail is the largest thumbnailPhoto that a directory takes, in bytes (MS-ADA3 2.307, rangeUpper).
const MaxThumbnail = 102_400

// A PhotoState is what the directory has in a user's photo attributes, whole, and what the account that asked may do with them.
type PhotoState struct {
	User     User
	Values   map[string][][]byte // by the attribute's name as it was asked for; no value is cut
	Writable map[string]bool     // allowedAttributesEffective has the attribute
}

// A PhotoSwap puts other values into one photo attribute of one user, provided that it has the old ones still.
type PhotoSwap struct {
	User      User // the GUID decides; the names are for errors
	Attribute string
	Old       [][]byte // none: the attribute is empty
	New       [][]byte // none: the attribute is to be emptied
}

// SameValues tells whether two attributes have the same values; a directory keeps them in no order.
func SameValues(a, b [][]byte) bool { return ValuesDigest(a) == ValuesDigest(b) }

// ValuesDigest names the values of an attribute whatever their order: lower-case hex SHA-256, empty without a value.
func ValuesDigest(values [][]byte) string {
	if len(values) == 0 {
		return ""
	}
	sums := make([][]byte, len(values))
	for i, v := range values {
		sum := sha256.Sum256(v)
		sums[i] = sum[:]
	}
	if len(sums) == 1 {
		return hex.EncodeToString(sums[0])
	}
	slices.SortFunc(sums, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(sums, nil))
	return hex.EncodeToString(sum[:])
}
