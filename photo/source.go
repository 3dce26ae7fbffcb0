package photo

import (
	"bytes"
	"errors"
	"image"
	"io"
)

// A source is a photo that passed every check that needs no decoding.
type source struct {
	format        Format
	width, height int // px, as stored
	orientation   orientation
	data          []byte    // what the decoder is given
	jpeg          *jpegFile // of a JPEG
	decoder       func(io.Reader) (image.Image, error)
}

// Examine tells format and size of a photo without decoding it. The error has the reason bad_photo and says what is wrong. A photo
// that passes may still be damaged further on: only Render knows.
func Examine(raw []byte) (Info, error) {
	s, err := open(raw)
	if err != nil {
		return Info{}, err
	}
	return s.info(), nil
}

func (s *source) info() Info {
	if s.orientation.swaps() {
		return Info{Format: s.format, Width: s.height, Height: s.width}
	}
	return Info{Format: s.format, Width: s.width, Height: s.height}
}

// open checks raw by its header: format, bounds, and for JPEG the whole of its markers.
func open(raw []byte) (*source, error) { return openWithin(raw, MaxBytes) }

func openWithin(raw []byte, most int) (*source, error) {
	switch {
	case len(raw) == 0:
		return nil, bad("it is empty")
	case len(raw) > most:
		return nil, bad("it has %d bytes, at most %d", len(raw), most)
	}
	for _, f := range formats {
		if !matches(raw, f.magic) {
			continue
		}
		s := &source{format: f.format, data: raw, orientation: upright, decoder: f.decode}
		memory, err := s.look(f.memory)
		if err != nil {
			return nil, bad("%s: %w", f.format, err)
		}
		c, err := f.config(bytes.NewReader(s.data))
		if err != nil {
			return nil, bad("%s header: %w", f.format, err)
		}
		s.width, s.height = c.Width, c.Height
		return s, s.bounded(memory)
	}
	return nil, stranger(raw)
}

// look reads what the format has besides size and pixels. It returns how much memory a number of pixels takes.
func (s *source) look(memory func([]byte, int) int) (func(pixels int) int, error) {
	switch s.format {
	case JPEG:
		f, err := parseJPEG(s.data)
		if err != nil {
			return nil, err
		}
		s.data, s.orientation, s.jpeg = f.decodable, parseEXIF(f.exif), f
		return f.memory, nil
	case PNG:
		s.orientation = pngOrientation(s.data)
	case WebP:
		if err := checkWebP(s.data); err != nil {
			return nil, err
		}
		s.orientation = webpOrientation(s.data)
	}
	raw := s.data
	return func(pixels int) int { return memory(raw, pixels) }, nil
}

// bounded refuses what is too large to be decoded. The sides are checked first: their product cannot overflow then.
func (s *source) bounded(memory func(pixels int) int) error {
	w, h := s.width, s.height
	switch {
	case w < 1 || h < 1:
		return bad("%s has no pixels", s.format)
	case w > MaxSide || h > MaxSide:
		return bad("%s has %d×%d px, at most %d a side", s.format, w, h, MaxSide)
	case w*h > MaxPixels:
		return bad("%s has %d×%d px, at most %d megapixels", s.format, w, h, MaxPixels/1_000_000)
	case memory(w*h) > maxMemory:
		return bad("%s has %d×%d px, which take %d MiB of memory to decode, at most %d", s.format, w, h, memory(w*h)>>20, maxMemory>>20)
	}
	return nil
}

// decode reads the pixels; a file that is not complete is refused by the decoder.
func (s *source) decode() (image.Image, error) {
	img, err := s.decoder(bytes.NewReader(s.data))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, bad("%s: it is cut off: %w", s.format, err)
	case err != nil:
		return nil, bad("%s: %w", s.format, err)
	}
	return img, nil
}

// Check decodes raw, and tells whether Render would succeed. The error has the reason bad_photo.
func Check(raw []byte) error {
	s, err := open(raw)
	if err != nil {
		return err
	}
	_, err = s.decode()
	return err
}
