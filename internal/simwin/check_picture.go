package simwin

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image/jpeg"

	"github.com/photopush/photopush/internal/badge"
)

// A picture is what the bytes of a file show.
type picture struct {
	why    string // why it is no complete, square JPEG; empty when it is one
	side   int
	number uint32
	badge  bool
}

// maxSide bounds what is decoded, in pixels.
const maxSide = 8192

// look decodes a file, once for all that have its bytes.
func (c *Checker) look(data []byte) picture {
	hash := sha256.Sum256(data)
	c.mu.Lock()
	p, ok := c.seen[hash]
	c.mu.Unlock()
	if !ok {
		p = decodePicture(data)
		c.mu.Lock()
		c.seen[hash] = p
		c.mu.Unlock()
	}
	return p
}

func decodePicture(data []byte) picture {
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return picture{why: "is no JPEG: " + err.Error()}
	case config.Width != config.Height:
		return picture{why: fmt.Sprintf("is not square: %d by %d pixels", config.Width, config.Height)}
	case config.Width > maxSide:
		return picture{why: fmt.Sprintf("is too large: %d pixels", config.Width)}
	case !bytes.HasSuffix(data, []byte{0xff, 0xd9}):
		return picture{why: "is cut: it does not end with the JPEG's end marker"}
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{why: "is no complete JPEG: " + err.Error()}
	}
	p := picture{side: config.Width}
	p.number, p.badge = badge.Read(img)
	return p
}
