package badge

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/disintegration/imaging"
	"golang.org/x/image/draw"
)

var sizes = []int{32, 40, 48, 64, 96, 192, 200, 208, 240, 424, 448, 1080}

// crop takes the square that begins at offset, as a share of the slack.
func crop(img image.Image, offset float64) image.Image {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	x, y := (b.Dx()-side)/2, int(offset*float64(b.Dy()-side))
	return imaging.Crop(img, image.Rect(x, y, x+side, y+side))
}

func recode(t *testing.T, img image.Image, quality int) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func wantNumber(t *testing.T, img image.Image, number uint32, what string) {
	t.Helper()
	if got, ok := Read(img); !ok || got != number {
		t.Errorf("%s: read %d, %v, want %d", what, got, ok, number)
	}
}

func TestEverySizeFilterAndQuality(t *testing.T) {
	filters := map[string]func(image.Image, int) image.Image{
		"lanczos":  func(img image.Image, n int) image.Image { return imaging.Resize(img, n, n, imaging.Lanczos) },
		"box":      func(img image.Image, n int) image.Image { return imaging.Resize(img, n, n, imaging.Box) },
		"bilinear": func(img image.Image, n int) image.Image { return scale(img, n, draw.BiLinear) },
	}
	shapes := []struct {
		width, height int
		offsets       []float64
	}{
		{450, 450, []float64{0}}, {96, 96, []float64{0}}, {200, 150, []float64{0}},
		{150, 200, []float64{0, 1. / 6, 1. / 3}}, {140, 210, []float64{0, 1. / 3}}, {144, 256, []float64{0, 1. / 3}},
	}
	for _, s := range shapes {
		for _, offset := range s.offsets {
			number := rand.Uint32()
			square := crop(recode(t, Draw(number, s.width, s.height), 85), offset)
			for name, resize := range filters {
				for _, size := range sizes {
					if size > 64 && name != "lanczos" || size > 240 && s.width < 450 {
						continue // large ones take time, and are easy to read
					}
					small, qualities := resize(square, size), []int{85}
					if size <= 64 {
						qualities = []int{70, 95}
					}
					for _, quality := range qualities {
						wantNumber(t, recode(t, small, quality), number,
							fmt.Sprintf("%d×%d from %.2f, %s to %d, quality %d", s.width, s.height, offset, name, size, quality))
					}
				}
			}
		}
	}
}

func scale(img image.Image, n int, s draw.Scaler) image.Image {
	dst := image.NewRGBA(image.Rect(0, 0, n, n))
	s.Scale(dst, dst.Bounds(), img, img.Bounds(), draw.Src, nil)
	return dst
}

// TestManyNumbers is at the smallest size, where reading is hardest, with each crop a portrait may get.
func TestManyNumbers(t *testing.T) {
	for i := range 2000 {
		number := rand.Uint32()
		if i < 1000 {
			number = uint32(i)
		}
		offset := rand.Float64() / 3
		photo := crop(Draw(number, 48, 64), offset)
		wantNumber(t, recode(t, imaging.Resize(photo, 32, 32, imaging.Lanczos), 85), number, fmt.Sprintf("offset %.3f", offset))
	}
}

func TestNoBadge(t *testing.T) {
	noise := image.NewRGBA(image.Rect(0, 0, 96, 96))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rand.Uint32())
	}
	damaged := imaging.Clone(Draw(7, 96, 96))
	draw.Draw(damaged, image.Rect(30, 30, 66, 66), image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	for name, img := range map[string]image.Image{
		"blank":       imaging.New(96, 96, color.White),
		"black":       imaging.New(448, 448, color.Black),
		"noise":       noise,
		"damaged":     damaged,
		"half":        imaging.Paste(Draw(7, 96, 96), imaging.New(96, 48, color.Gray{128}), image.Pt(0, 48)),
		"not square":  Draw(7, 96, 128),
		"too small":   Draw(7, 16, 16),
		"empty":       image.NewRGBA(image.Rectangle{}),
		"upside down": imaging.Rotate180(Draw(7, 96, 96)),
		"mirrored":    imaging.FlipH(Draw(7, 96, 96)),
		"half of it":  imaging.Crop(Draw(7, 96, 96), image.Rect(0, 0, 48, 48)),
	} {
		if number, ok := Read(img); ok {
			t.Errorf("%s: read %d, want nothing", name, number)
		}
	}
}

func TestNoiseIsNeverANumber(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 36, 36))
	for range 500 {
		for i := range img.Pix {
			img.Pix[i] = byte(rand.Uint32()&1) * 255
		}
		if number, ok := Read(img); ok {
			t.Fatalf("read %d out of noise", number)
		}
	}
}

func TestPhotosAreLikePhotos(t *testing.T) {
	a, b := JPEG(1, 648, 648, 85), JPEG(2, 648, 648, 85)
	if bytes.Equal(a, b) {
		t.Error("two numbers have the same photo")
	}
	if !bytes.Equal(a, JPEG(1, 648, 648, 85)) {
		t.Error("the same number gave two photos")
	}
	if len(a) < 30e3 || len(a) > 150e3 {
		t.Errorf("a photo of 648 pixels has %d bytes, want those of a portrait, 30 to 150 KB", len(a))
	}
}

func BenchmarkDraw(b *testing.B) {
	for b.Loop() {
		Draw(42, 648, 648)
	}
}

func BenchmarkRead1080(b *testing.B) {
	img, err := jpeg.Decode(bytes.NewReader(JPEG(42, 1080, 1080, 85)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok := Read(img); !ok {
			b.Fatal("not read")
		}
	}
}
