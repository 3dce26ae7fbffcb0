// Package contactsheet draws a picture set to look at: every picture at its true size, as it is and in the circle in which Windows shows
// it, with the registry values that name it. It makes no pictures; package photo does.
package contactsheet

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"

	xdraw "golang.org/x/image/draw"

	"github.com/photopush/photopush/photo"
)

// Lengths in px. The picture of 1080 px is reduced to half, so that the sheet fits on a screen.
const (
	margin   = 32
	gap      = 24
	width    = 1144 // of what stands between the margins: the pictures up to 240 px fit into one line
	mostTile = 540
)

var (
	paper = color.RGBA{0xf4, 0xf5, 0xf7, 0xff}
	edge  = color.RGBA{0xc4, 0xc9, 0xd0, 0xff}
)

// A tile is one file of the set, as it is drawn.
type tile struct {
	picture *image.RGBA
	labels  []label
}

func (t tile) side() int { return t.picture.Rect.Dx() }

// across is the room that the tile takes in its line.
func (t tile) across() int {
	most := t.side()
	for _, l := range t.labels {
		most = max(most, l.width())
	}
	return most
}

// Draw draws the sheet of a set under a title, with lines of further text below it.
func Draw(set *photo.Set, title string, text ...string) (image.Image, error) {
	p, err := newPen()
	if err != nil {
		return nil, err
	}
	tiles, err := tilesOf(set, p)
	if err != nil {
		return nil, err
	}
	head := []label{p.title(title).within(width)}
	for _, s := range text {
		head = append(head, p.note(s).within(width))
	}
	lines := arrange(tiles)
	height := margin + heightOf(head) + margin
	for _, l := range lines {
		height += margin + l.height()
	}
	sheet := image.NewRGBA(image.Rect(0, 0, width+2*margin, height))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	write(sheet, margin, margin, head)
	y := margin + heightOf(head)
	for _, l := range lines {
		l.draw(sheet, y+margin)
		y += margin + l.height()
	}
	return sheet, nil
}

// tilesOf makes a tile of each file.
func tilesOf(set *photo.Set, p pen) ([]tile, error) {
	var tiles []tile
	for i := range set.Variants {
		v := &set.Variants[i]
		img, err := jpeg.Decode(bytes.NewReader(v.JPEG))
		if err != nil {
			return nil, fmt.Errorf("decode Image%d: %w", v.Size, err)
		}
		side := img.Bounds().Dx()
		labels := []label{p.name(fmt.Sprintf("Image%d", v.Size)), p.note(fmt.Sprintf("%d px", side))}
		shown := side
		if side > mostTile {
			shown = (side + 1) / 2
			labels[1].text += ", here at half size"
		}
		for _, size := range photo.Sizes {
			if size != v.Size && set.For(size) == v {
				labels = append(labels, p.note(fmt.Sprintf("also Image%d", size)))
			}
		}
		tiles = append(tiles, tile{scaled(img, shown), labels})
	}
	return tiles, nil
}

// scaled is img with that side, in the form that is drawn fastest.
func scaled(img image.Image, side int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	if side == img.Bounds().Dx() {
		draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	} else {
		xdraw.CatmullRom.Scale(out, out.Rect, img, img.Bounds(), draw.Src, nil)
	}
	return out
}

// A line holds tiles side by side. The circles are below the squares, or beside them where there is room for both.
type line struct {
	tiles  []tile
	beside bool
}

// arrange fills lines with tiles, in their order.
func arrange(tiles []tile) (lines []line) {
	used := 0
	for _, t := range tiles {
		if len(lines) == 0 || used+gap+t.across() > width {
			lines, used = append(lines, line{}), -gap
		}
		last := &lines[len(lines)-1]
		last.tiles, used = append(last.tiles, t), used+gap+t.across()
		last.beside = 2*(used+gap) <= width
	}
	return lines
}

// tallest is the height of the pictures, and that of the labels.
func (l line) tallest() (picture, labels int) {
	for _, t := range l.tiles {
		picture, labels = max(picture, t.side()), max(labels, heightOf(t.labels))
	}
	return picture, labels
}

func (l line) height() int {
	picture, labels := l.tallest()
	if l.beside {
		return picture + gap/2 + labels
	}
	return 2*picture + gap + gap/2 + labels
}

// draw draws the line below y, its pictures on one baseline.
func (l line) draw(sheet *image.RGBA, y int) {
	picture, _ := l.tallest()
	x, aside, down := margin, 0, picture+gap
	if l.beside {
		aside, down = l.across()+2*gap, 0
	}
	for _, t := range l.tiles {
		bottom := y + picture
		square(sheet, t.picture, x, bottom-t.side())
		circle(sheet, t.picture, x+aside, bottom+down-t.side())
		write(sheet, x, bottom+down+gap/2, t.labels)
		x += t.across() + gap
	}
}

func (l line) across() int {
	n := -gap
	for _, t := range l.tiles {
		n += t.across() + gap
	}
	return n
}

// square draws a picture with a hairline around it: a white background would vanish on the paper.
func square(sheet, picture *image.RGBA, x, y int) {
	r := picture.Rect.Add(image.Pt(x, y))
	draw.Draw(sheet, r.Inset(-1), image.NewUniform(edge), image.Point{}, draw.Src)
	draw.Draw(sheet, r, picture, image.Point{}, draw.Src)
}

// circle draws what is left of a picture in the circle, with the same hairline.
func circle(sheet, picture *image.RGBA, x, y int) {
	side := picture.Rect.Dx()
	r := picture.Rect.Add(image.Pt(x, y))
	draw.DrawMask(sheet, r.Inset(-1), image.NewUniform(edge), image.Point{}, disc(side+2), image.Point{}, draw.Over)
	draw.DrawMask(sheet, r, picture, image.Point{}, disc(side), image.Point{}, draw.Over)
}
