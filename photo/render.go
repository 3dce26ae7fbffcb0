package photo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/jpeg"

	"github.com/disintegration/imaging"
)

// Examine tells format and size of a photo without decoding it. The error has the reason bad_photo and says what is wrong. A photo
// that passes may still be damaged further on; only Render knows.
func Examine(raw []byte) (Info, error) {
	if len(raw) == 0 {
		return Info{}, bad("it is empty")
	}
	for _, f := range formats {
		if !matches(raw, f.magic) {
			continue
		}
		c, err := f.config(bytes.NewReader(raw))
		if err != nil {
			return Info{}, bad("%s header: %w", f.format, err)
		}
		return Info{Format: f.format, Width: c.Width, Height: c.Height}, nil
	}
	return Info{}, stranger(raw)
}

// Render makes the picture set of raw. The error has the reason bad_photo and says what is wrong with the photo.
func Render(raw []byte, r Recipe) (*Set, error) {
	info, err := Examine(raw)
	if err != nil {
		return nil, err
	}
	img, err := imaging.Decode(bytes.NewReader(raw), imaging.AutoOrientation(true))
	if err != nil {
		return nil, bad("%s: %w", info.Format, err)
	}
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	square := imaging.CropAnchor(img, side, side, imaging.Center)
	set := &Set{Digest: r.Digest(raw), Side: side}
	for _, size := range Sizes {
		if size > side && !r.Upscale && len(set.Variants) > 0 {
			break
		}
		v, err := encode(imaging.Resize(square, size, size, imaging.Lanczos), size, r.Quality)
		if err != nil {
			return nil, err
		}
		set.Variants = append(set.Variants, v)
	}
	return set, nil
}

func encode(img image.Image, size, quality int) (Variant, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return Variant{}, err
	}
	sum := sha256.Sum256(b.Bytes())
	return Variant{Size: size, JPEG: b.Bytes(), SHA256: hex.EncodeToString(sum[:])}, nil
}
