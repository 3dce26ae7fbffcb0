package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/contactsheet"
	"github.com/photopush/photopush/photo"
)

// A preview is what became of a photo, and the JSON of the command.
type preview struct {
	Of         string      `json:"of"`                  // user or file, as it was given
	Name       string      `json:"name,omitempty"`      // of the user
	Attribute  string      `json:"attribute,omitempty"` // file for one of the folder of originals
	File       string      `json:"file,omitempty"`      // its name there
	Format     string      `json:"format"`
	Width      int         `json:"width"` // px of the upright photo
	Height     int         `json:"height"`
	Square     previewRect `json:"square"`
	Crop       photo.Crop  `json:"crop"`
	CropFits   bool        `json:"crop_fits"` // false: the crop is a square that does not lie within the photo
	Quality    int         `json:"quality"`
	Upscale    bool        `json:"upscale"`
	RecipeFrom string      `json:"recipe_from"`
	LowRes     bool        `json:"low_resolution"`
	Digest     string      `json:"digest"`

	Folder       string         `json:"folder"`
	ContactSheet string         `json:"contact_sheet"`
	Values       []previewValue `json:"values"`

	set *photo.Set
}

// A previewRect is the square that was cut, in px of the upright photo.
type previewRect struct {
	X    int `json:"x"`
	Y    int `json:"y"`
	Side int `json:"side"`
}

// A previewValue is a registry value and the file that it names.
type previewValue struct {
	Value  string `json:"value"`
	File   string `json:"file"`
	Side   int    `json:"side"` // px of the picture in the file
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	Own    bool   `json:"own"` // false: the file is that of another size
}

// make renders raw.
func (p *preview) make(raw []byte, r photo.Recipe) error {
	info, err := photo.Examine(raw)
	if err != nil {
		return err
	}
	if p.set, err = photo.Render(raw, r); err != nil {
		return err
	}
	cut, fits := r.Crop.Cut(info.Width, info.Height)
	p.Square, p.CropFits = previewRect{cut.Min.X, cut.Min.Y, p.set.Side}, fits
	p.Format, p.Width, p.Height = string(info.Format), info.Width, info.Height
	p.Crop, p.Quality, p.Upscale = r.Crop, r.Quality, r.Upscale
	p.LowRes, p.Digest = p.set.Side < photopush.LowResolution, p.set.Digest
	for _, size := range photo.Sizes {
		v := p.set.For(size)
		side := v.Size
		if !r.Upscale {
			side = min(side, p.set.Side)
		}
		p.Values = append(p.Values, previewValue{imageName(size), imageName(v.Size) + ".jpg", side, len(v.JPEG), v.SHA256, v.Size == size})
	}
	return nil
}

func imageName(size int) string { return fmt.Sprintf("Image%d", size) }

// notes say what is odd about the photo.
func (p *preview) notes() (notes []string) {
	if !p.CropFits {
		notes = append(notes, fmt.Sprintf("%s does not lie within the photo of %d×%d px, and was measured on another one: cut as with auto", p.Crop, p.Width, p.Height))
	}
	if p.LowRes {
		notes = append(notes, fmt.Sprintf("low resolution: the square has %d px, so that pictures of %d px and more look blurred", p.set.Side, photopush.LowResolution))
	}
	return notes
}

// lines say what the pictures were made of, and how.
func (p *preview) lines() []string {
	source := fmt.Sprintf("%s of %d×%d px, of it the square of %d px at %d,%d", p.Format, p.Width, p.Height, p.Square.Side, p.Square.X, p.Square.Y)
	switch {
	case p.File != "":
		source = fmt.Sprintf("%s %q: %s", p.Attribute, p.File, source)
	case p.Attribute != "":
		source = p.Attribute + ": " + source
	}
	enlarged := "not enlarged"
	if p.Upscale {
		enlarged = "enlarged"
	}
	return append([]string{source, fmt.Sprintf("crop %s, quality %d, %s", p.Crop, p.Quality, enlarged)}, p.notes()...)
}

// title is who or what is shown.
func (p *preview) title() string {
	if p.Name == "" {
		return p.Of
	}
	return p.Name + " (" + p.Of + ")"
}

// tell prints it for people.
func (p *preview) tell(w io.Writer) error {
	lines := p.lines()
	lines[1] += " (" + p.RecipeFrom + ")"
	fmt.Fprintf(w, "%s\n%s\n\n", p.title(), strings.Join(lines, "\n"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "value\tfile\tpx\tbytes")
	for _, v := range p.Values {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\n", v.Value, v.File, v.Side, v.Bytes)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nto look at: %s\n", p.ContactSheet)
	return err
}

const contactSheetName = "contact-sheet.png"

// write puts the pictures and their contact sheet into the folder, and nothing anywhere else, whatever links lie in it.
func (p *preview) write(folder string, force bool) error {
	sheet, err := contactsheet.Draw(p.set, p.title(), p.lines()...)
	if err != nil {
		return fmt.Errorf("draw the contact sheet: %w", err)
	}
	var asPNG bytes.Buffer
	if err := png.Encode(&asPNG, sheet); err != nil {
		return fmt.Errorf("encode the contact sheet: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return withExit(exitUsage, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return withExit(exitUsage, err)
	}
	defer root.Close()
	if err := makeRoom(root, force); err != nil {
		return withExit(exitUsage, err)
	}
	for _, v := range p.set.Variants {
		if err := writeNew(root, imageName(v.Size)+".jpg", v.JPEG); err != nil {
			return err
		}
	}
	p.Folder, p.ContactSheet = folder, filepath.Join(folder, contactSheetName)
	return writeNew(root, contactSheetName, asPNG.Bytes())
}

// makeRoom sees to it that no file has a name of ours: with force those of an earlier run are removed, all of them, so that nothing
// of another photo stays among the new pictures.
func makeRoom(root *os.Root, force bool) error {
	names := []string{contactSheetName}
	for _, size := range photo.Sizes {
		names = append(names, imageName(size)+".jpg")
	}
	for _, name := range names {
		_, err := root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !force:
			return fmt.Errorf("%s is there already: name another folder, or replace it with --force", filepath.Join(root.Name(), name))
		default:
			if err := root.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeNew makes a file that is not there yet. A folder that takes none is a fault of the command line; one that is full is not.
func writeNew(root *os.Root, name string, data []byte) (err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return withExit(exitUsage, fmt.Errorf("write into %s: %w", root.Name(), err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(root.Name(), name), err)
	}
	return nil
}
