package contactsheet

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush/photo"
)

var red = color.RGBA{200, 20, 20, 255}

// set makes the picture set of a red photo.
func set(t *testing.T, side int, upscale bool) *photo.Set {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(m, m.Rect, image.NewUniform(red), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	s, err := photo.Render(b.Bytes(), photo.Recipe{Crop: photo.CropAuto, Quality: 90, Upscale: upscale})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSheetShowsEverySize counts red pixels: a square and a circle for each file, at its true size, 1080 px at half.
func TestSheetShowsEverySize(t *testing.T) {
	for _, c := range []struct {
		name    string
		side    int
		upscale bool
	}{{"enlarged", 100, true}, {"portrait", 480, false}, {"thumbnail", 96, false}, {"tiny", 20, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := set(t, c.side, c.upscale)
			sheet, err := Draw(s, "Anna", "a line")
			if err != nil {
				t.Fatal(err)
			}
			want := 0.0
			for _, v := range s.Variants {
				n := v.Size
				if !c.upscale {
					n = min(n, s.Side)
				}
				if n > mostTile {
					n /= 2
				}
				want += float64(n*n) * (1 + 3.14159/4)
			}
			got := float64(count(sheet.(*image.RGBA), red))
			if got < want*0.93 || got > want*1.01 {
				t.Errorf("%.0f px are red, want about %.0f", got, want)
			}
			if b := sheet.Bounds(); b.Dx() != width+2*margin || b.Dy() > 2500 {
				t.Errorf("the sheet has %v", b)
			}
			inner := sheet.Bounds().Inset(margin - 4)
			for i := 0; i < sheet.Bounds().Dx()*sheet.Bounds().Dy(); i++ { // nothing reaches over the margin
				p := image.Pt(i%sheet.Bounds().Dx(), i/sheet.Bounds().Dx())
				if got := sheet.(*image.RGBA).RGBAAt(p.X, p.Y); !p.In(inner) && got != paper {
					t.Fatalf("%v is %v", p, got)
				}
			}
		})
	}
}

// count tells how many pixels are nearly of a colour.
func count(m *image.RGBA, c color.RGBA) (n int) {
	b := m.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			got := m.RGBAAt(x, y)
			if max(diff(got.R, c.R), diff(got.G, c.G), diff(got.B, c.B)) < 12 {
				n++
			}
		}
	}
	return n
}

func diff(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }

// TestLabels name the values, those too that have no file of their own.
func TestLabels(t *testing.T) {
	p, err := newPen()
	if err != nil {
		t.Fatal(err)
	}
	var gray bytes.Buffer
	if err := jpeg.Encode(&gray, image.NewGray(image.Rect(0, 0, 1080, 1080)), nil); err != nil {
		t.Fatal(err)
	}
	large := &photo.Set{Variants: []photo.Variant{{Size: 448, JPEG: gray.Bytes()}, {Size: 1080, JPEG: gray.Bytes()}}}
	for want, s := range map[string]*photo.Set{
		"Image192 192 px also Image208 also Image240 also Image424 also Image448 also Image1080":                                                                 set(t, 200, false),
		"Image32 20 px also Image40 also Image48 also Image64 also Image96 also Image192 also Image208 also Image240 also Image424 also Image448 also Image1080": set(t, 20, false),
		"Image1080 1080 px, here at half size": large,
	} {
		tiles, err := tilesOf(s, p)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, l := range tiles[len(tiles)-1].labels {
			words = append(words, l.text)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := p.title(strings.Repeat("Wé", 300)).within(width); got.width() > width || !strings.HasSuffix(got.text, "…") {
		t.Errorf("%q has %d px", got.text, got.width())
	}
}

// TestCircleLeavesOutCorners looks at one tile: the corner of the square is red, that of the circle paper.
func TestCircleLeavesOutCorners(t *testing.T) {
	sheet := image.NewRGBA(image.Rect(0, 0, 240, 120))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	picture := image.NewRGBA(image.Rect(0, 0, 100, 100))
	draw.Draw(picture, picture.Rect, image.NewUniform(red), image.Point{}, draw.Src)
	square(sheet, picture, 10, 10)
	circle(sheet, picture, 120, 10)
	var got []color.RGBA
	for _, p := range []image.Point{{10, 10}, {9, 9}, {60, 60}, {120, 10}, {120 + 13, 10 + 13}, {120 + 16, 10 + 16}, {170, 60}, {170, 10}} {
		got = append(got, sheet.RGBAAt(p.X, p.Y))
	}
	if want := []color.RGBA{red, edge, red, paper, paper, red, red, red}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestDrawTwice gives the same sheet.
func TestDrawTwice(t *testing.T) {
	s := set(t, 96, false)
	a, err := Draw(s, "Anna")
	b, err2 := Draw(s, "Anna")
	if err != nil || err2 != nil || !bytes.Equal(a.(*image.RGBA).Pix, b.(*image.RGBA).Pix) {
		t.Errorf("%v, %v, or two sheets differ", err, err2)
	}
}
