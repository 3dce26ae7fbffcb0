package photo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// RecipeVersion changes whenever the bytes of any variant change for the same photo and recipe; TestGolden sees to it. It is part of
// the digest, so that a new version is pushed everywhere.
const RecipeVersion = 1

// A Crop says where the square is cut from a photo that is not square.
type Crop string

const (
	CropAuto   Crop = "auto"   // from the middle; of a photo that is higher than wide, a third of the rest is cut above, two thirds below
	CropCentre Crop = "centre" // from the middle
)

// A Recipe says how variants are made. It is the section photo of the configuration.
type Recipe struct {
	Crop    Crop `yaml:"crop" default:"auto" help:"Where the square is cut from a photo that is not square: auto (upper part of a portrait, else the middle) or centre."`
	Quality int  `yaml:"quality" default:"90" help:"JPEG quality of the pictures, 50 to 100."`
	Upscale bool `yaml:"upscale" default:"false" help:"Enlarge a small photo to every size, instead of letting large sizes name its largest picture."`
}

// DefaultRecipe is what an empty section photo means.
func DefaultRecipe() Recipe { return Recipe{Crop: CropAuto, Quality: 90} }

// Validate reports every fault at once; path is the key of the section.
func (r *Recipe) Validate(path string) error {
	var errs []error
	if r.Crop != CropAuto && r.Crop != CropCentre {
		errs = append(errs, fmt.Errorf("%s.crop is %q, want auto or centre", path, string(r.Crop)))
	}
	if r.Quality < 50 || r.Quality > 100 {
		errs = append(errs, fmt.Errorf("%s.quality is %d, want 50 to 100", path, r.Quality))
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
