package photo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// RecipeVersion changes whenever the bytes of any variant change for the same photo and recipe; TestGolden sees to it. It is part of
// the digest, so that a new version is pushed everywhere.
const RecipeVersion = 1

// What Quality may be.
const (
	MinQuality = 50
	MaxQuality = 100
)

// A Recipe says how variants are made.
type Recipe struct {
	Crop    Crop `yaml:"crop" default:"auto" help:"Where the square is cut from a photo that is not square: auto (of a portrait a little above the middle, where faces are), centre, or top (of a portrait the upper end). Of a landscape all three cut the middle."`
	Quality int  `yaml:"quality" default:"90" help:"JPEG quality of the pictures, 50 to 100."`
	Upscale bool `yaml:"upscale" default:"false" help:"Enlarge a small photo to every size, instead of letting large sizes name its largest picture."`
}

// DefaultRecipe is what an empty section photo means.
func DefaultRecipe() Recipe { return Recipe{Crop: CropAuto, Quality: 90} }

// Validate reports every fault at once; path is the key of the section.
func (r *Recipe) Validate(path string) error {
	var errs []error
	if !slices.Contains(places, r.Crop) {
		errs = append(errs, fmt.Errorf("%s.crop is %q, want auto, centre or top", path, string(r.Crop)))
	}
	if r.Quality < MinQuality || r.Quality > MaxQuality {
		errs = append(errs, fmt.Errorf("%s.quality is %d, want %d to %d", path, r.Quality, MinQuality, MaxQuality))
	}
	return errors.Join(errs...)
}

// Digest names the picture set of raw under this recipe: 32 lower-case hex digits, the first 128 bits of SHA-256 over version, recipe
// and SHA-256 of raw. It does not look into raw.
func (r Recipe) Digest(raw []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "photopush picture set\nversion=%d\ncrop=%s\nquality=%d\nupscale=%t\nphoto=%x\n", RecipeVersion, r.Crop, r.Quality, r.Upscale, sha256.Sum256(raw))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
