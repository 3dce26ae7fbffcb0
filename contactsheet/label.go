package contactsheet

import (
	"image"
	"image/color"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// A label is one line of text.
type label struct {
	text string
	face font.Face
	ink  color.Color
}

var (
	dark = color.RGBA{0x1c, 0x22, 0x2b, 0xff}
	grey = color.RGBA{0x5c, 0x66, 0x73, 0xff}
)

// A pen has the faces of one sheet; a face serves one caller at a time.
type pen struct{ large, bold, plain font.Face }

func newPen() (p pen, err error) {
	for _, f := range []struct {
		face *font.Face
		ttf  []byte
		size float64
	}{{&p.large, gobold.TTF, 22}, {&p.bold, gobold.TTF, 13}, {&p.plain, goregular.TTF, 13}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return p, err
		}
		if *f.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull}); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p pen) title(text string) label { return label{text, p.large, dark} }
func (p pen) name(text string) label  { return label{text, p.bold, dark} }
func (p pen) note(text string) label  { return label{text, p.plain, grey} }

// within shortens the text until it fits.
func (l label) within(width int) label {
	for runes := []rune(l.text); l.width() > width; l.text = string(runes) + "…" {
		runes = runes[:len(runes)-1]
	}
	return l
}

func (l label) width() int { return font.MeasureString(l.face, l.text).Ceil() }

func (l label) height() int { return l.face.Metrics().Height.Ceil() + 2 }

// heightOf is that of lines below each other.
func heightOf(labels []label) (n int) {
	for _, l := range labels {
		n += l.height()
	}
	return n
}

// write writes lines below each other, the first one below y.
func write(sheet *image.RGBA, x, y int, labels []label) {
	for _, l := range labels {
		d := font.Drawer{Dst: sheet, Src: image.NewUniform(l.ink), Face: l.face}
		d.Dot = fixed.P(x, y+l.face.Metrics().Ascent.Ceil())
		d.DrawString(l.text)
		y += l.height()
	}
}
