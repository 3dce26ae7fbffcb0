package photoimport

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
	"github.com/photopush/photopush/photo"
)

// Config is the section import of the configuration; flags of the command change some of it for one run.
type Config struct {
	Attributes     []string        `yaml:"attributes" default:"[thumbnailPhoto]" help:"Attributes that an import writes: thumbnailPhoto, jpegPhoto or both."`
	Match          string          `yaml:"match" default:"{sAMAccountName}.*" help:"Name of a person's file, in capitals or not, with attributes in braces, such as {employeeID}.jpg or {givenName}.{sn}.*; .* lets every usual extension in."`
	Size           int             `yaml:"size" default:"648" help:"Longer side of a thumbnailPhoto at most, in px, 96 to 2048. A larger photo is scaled down; a smaller one keeps its size."`
	ThumbnailBytes photopush.Bytes `yaml:"thumbnail_bytes" default:"100 KiB" help:"Largest thumbnailPhoto, 4 KiB to 100 KiB, which is the most that a directory takes. Quality goes down first, then size, to 96 px at the least."`
	JPEGPhotoSize  int             `yaml:"jpeg_photo_size" default:"1080" help:"Longer side of a jpegPhoto at most, in px, 96 to 4096."`
	JPEGPhotoBytes photopush.Bytes `yaml:"jpeg_photo_bytes" default:"500 KB" help:"Largest jpegPhoto, 4 KiB to 4 MiB. The directory sets no bound, but keeps and replicates every byte."`
	Square         bool            `yaml:"square" default:"false" help:"Cut the square out of photos that photo.crop says, instead of keeping them whole. Pictures on workstations are cut in any case when they are made."`
	Jobs           int             `yaml:"jobs" default:"4" help:"Photos that are written at once, 1 to 4."`
	KeepUndo       time.Duration   `yaml:"keep_undo" default:"2160h" help:"How long the photos that an import replaced are kept, in the folder imports beside the database, so that it can be undone; 1h to 10 years. Each import and each pass removes what is older."`
}

// minSide is the size below which no photo is made smaller to save bytes, in px: what old programs show.
const minSide = 96

// Attributes that photos are written to.
var attributes = []string{photopush.ThumbnailPhoto, photopush.JPEGPhoto}

// Validate reports every fault; path is the key of the section.
func (c *Config) Validate(path string) error {
	var errs []error
	add := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(path+"."+key+" "+format, args...))
	}
	if len(c.Attributes) == 0 {
		add("attributes", "is empty, want thumbnailPhoto, jpegPhoto or both")
	}
	for i, a := range c.Attributes {
		switch {
		case !slices.Contains(attributes, a):
			add(fmt.Sprintf("attributes[%d]", i), "is %q, want thumbnailPhoto or jpegPhoto", a)
		case slices.Contains(c.Attributes[:i], a):
			add(fmt.Sprintf("attributes[%d]", i), "is %q, which stands there already", a)
		}
	}
	if _, err := filematch.Parse(c.Match); err != nil {
		add("match", "is %q: %w", c.Match, err)
	}
	for _, n := range []struct {
		key            string
		got, low, high int
	}{{"size", c.Size, minSide, 2048}, {"jpeg_photo_size", c.JPEGPhotoSize, minSide, 4096}, {"jobs", c.Jobs, 1, 4}} {
		if n.got < n.low || n.got > n.high {
			add(n.key, "is %d, want %d to %d", n.got, n.low, n.high)
		}
	}
	for _, b := range []struct {
		key       string
		got, high photopush.Bytes
	}{{"thumbnail_bytes", c.ThumbnailBytes, photopush.MaxThumbnail}, {"jpeg_photo_bytes", c.JPEGPhotoBytes, 4 << 20}} {
		if b.got < 4<<10 || b.got > b.high {
			add(b.key, "is %s, want 4 KiB to %s", b.got, b.high)
		}
	}
	if c.KeepUndo < time.Hour || c.KeepUndo > 10*365*24*time.Hour {
		add("keep_undo", "is %s, want 1h to 87600h", c.KeepUndo)
	}
	return errors.Join(errs...)
}

// fitting says what a photo for the attribute is to be; crop is the square that is cut, empty for the whole photo.
func (c *Config) fitting(attribute string, crop photo.Crop) photo.FitOptions {
	o := photo.FitOptions{MaxSide: c.Size, MinSide: minSide, MaxBytes: int(c.ThumbnailBytes)}
	if attribute == photopush.JPEGPhoto {
		o.MaxSide, o.MaxBytes = c.JPEGPhotoSize, int(c.JPEGPhotoBytes)
	}
	if c.Square {
		o.Square = crop
	}
	return o
}
