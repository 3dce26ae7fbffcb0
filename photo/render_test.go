package photo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush"
)

// quarters are the colours of every photo of the corpus, as it is to be seen: top left, top right, bottom left, bottom right.
var quarters = [4][3]int{{200, 40, 40}, {40, 160, 60}, {40, 60, 190}, {220, 200, 50}}

// TestCorpusIsSeenUpright looks at the colours of the quarters: whatever the format, its colour model and its orientation, they are where
// they belong.
func TestCorpusIsSeenUpright(t *testing.T) {
	other := []string{"gray", "alpha", "one", "animated.webp"}
	looked := 0
	for _, name := range corpus(t) {
		if slices.ContainsFunc(other, func(s string) bool { return strings.HasPrefix(name, s) }) {
			continue
		}
		looked++
		set := render(t, readCorpus(t, name), Recipe{Crop: CropCentre, Quality: 90})
		for _, v := range set.Variants {
			img := decodeJPEG(t, v.JPEG)
			for q, want := range quarters {
				if got := mean(img, q); distance(got, want) > 30 {
					t.Errorf("%s, %d px: quarter %d is %v, want about %v", name, v.Size, q, got, want)
				}
			}
		}
	}
	if looked < 25 {
		t.Errorf("looked at %d photos", looked)
	}
}

// mean is the colour in the middle of a quarter.
func mean(img image.Image, quarter int) (rgb [3]int) {
	side := img.Bounds().Dx()
	x0, y0, n := quarter%2*side/2+side/8, quarter/2*side/2+side/8, max(side/4, 1)
	for y := y0; y < y0+n; y++ {
		for x := x0; x < x0+n; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			rgb[0], rgb[1], rgb[2] = rgb[0]+int(r>>8), rgb[1]+int(g>>8), rgb[2]+int(b>>8)
		}
	}
	for i := range rgb {
		rgb[i] /= n * n
	}
	return rgb
}

func distance(a, b [3]int) (most int) {
	for i := range a {
		most = max(most, a[i]-b[i], b[i]-a[i])
	}
	return most
}

func TestExamine(t *testing.T) {
	for name, want := range map[string]Info{
		"baseline-420.jpg":  {JPEG, 100, 100},
		"odd.jpg":           {JPEG, 99, 131},
		"wide.jpg":          {JPEG, 131, 99},
		"cmyk.jpg":          {JPEG, 100, 100},
		"gray-16.png":       {PNG, 64, 64},
		"8.bmp":             {BMP, 40, 40},
		"still.gif":         {GIF, 64, 64},
		"alpha.webp":        {WebP, 64, 64},
		"orientation-6.jpg": {JPEG, 72, 72},
	} {
		if got, err := Examine(readCorpus(t, name)); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	turned := withEXIF(encodeTestJPEG(t, bands(40, 90)), exifData("II", 6))
	if got, err := Examine(turned); err != nil || got != (Info{JPEG, 90, 40}) {
		t.Errorf("turned: %v, %v", got, err)
	}
}

func TestVariants(t *testing.T) {
	for _, c := range []struct {
		name    string
		w, h    int
		upscale bool
		side    int
		want    []int
	}{
		{"every size", 1100, 1090, false, 1090, Sizes},
		{"one pixel less", 1079, 1200, false, 1078, Sizes[:10]},
		{"just the smallest", 32, 50, false, 32, []int{32}},
		{"odd", 41, 41, false, 40, []int{32, 40}},
		{"below the smallest", 31, 50, false, 31, []int{32}},
		{"one pixel", 1, 1, false, 1, []int{32}},
		{"small, enlarged", 20, 20, true, 20, Sizes},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := render(t, encodeTestJPEG(t, bands(c.w, c.h)), Recipe{CropAuto, 90, c.upscale})
			if !slices.Equal(sizesOf(set), c.want) || set.Side != c.side {
				t.Errorf("sizes %v, side %d, want %v, %d", sizesOf(set), set.Side, c.want, c.side)
			}
			total := 0
			for _, v := range set.Variants {
				side := v.Size
				if !c.upscale {
					side = min(side, c.side)
				}
				checkVariant(t, v, side)
				total += len(v.JPEG)
			}
			if set.Bytes() != total {
				t.Errorf("Bytes is %d, want %d", set.Bytes(), total)
			}
		})
	}
}

// checkVariant sees to the promises of a variant's file: size, hash, baseline, 4:2:0, nothing but the picture.
func checkVariant(t *testing.T, v Variant, side int) {
	t.Helper()
	if b := decodeJPEG(t, v.JPEG).Bounds(); b != image.Rect(0, 0, side, side) {
		t.Errorf("Image%d has %v", v.Size, b)
	}
	if sum := sha256.Sum256(v.JPEG); v.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("Image%d: SHA256 is %s", v.Size, v.SHA256)
	}
	f, err := parseJPEG(v.JPEG)
	if err != nil {
		t.Fatal(err)
	}
	want := []component{{1, 2, 2, true}, {2, 1, 1, true}, {3, 1, 1, true}}
	if f.progressive || f.scans != 1 || !slices.Equal(f.components, want) {
		t.Errorf("Image%d is %+v", v.Size, f)
	}
	if bytes.Contains(v.JPEG, []byte{0xff, markerAPP1}) || bytes.Contains(v.JPEG, []byte{0xff, markerCOM}) || !bytes.Equal(f.decodable, v.JPEG) {
		t.Errorf("Image%d holds more than the picture", v.Size)
	}
}

func TestFor(t *testing.T) {
	small := &Set{Variants: []Variant{{Size: 32}, {Size: 40}, {Size: 48}}}
	whole := &Set{}
	for _, size := range Sizes {
		whole.Variants = append(whole.Variants, Variant{Size: size})
	}
	for _, c := range []struct {
		set        *Set
		size, want int
	}{
		{small, 32, 32}, {small, 48, 48}, {small, 64, 48}, {small, 1080, 48},
		{whole, 1080, 1080}, {whole, 424, 424}, {whole, 200, 208},
		{&Set{Variants: []Variant{{Size: 32}}}, 448, 32},
	} {
		if got := c.set.For(c.size).Size; got != c.want {
			t.Errorf("value Image%d names %d, want %d", c.size, got, c.want)
		}
	}
}

// TestCrop reads off the gray of horizontal or vertical bands where the square begins.
func TestCrop(t *testing.T) {
	for _, c := range []struct {
		name string
		w, h int
		crop Crop
		want int // gray of the first row or column of the square
	}{
		{"portrait, auto", 120, 240, CropAuto, 40},
		{"portrait, centre", 120, 240, CropCentre, 60},
		{"landscape, auto", 240, 120, CropAuto, 60},
		{"landscape, centre", 240, 120, CropCentre, 60},
		{"portrait, top", 120, 240, CropTop, 0},
		{"landscape, top", 240, 120, CropTop, 60},
		{"square of a portrait", 120, 240, "square:10:102:96", 102},
		{"square of a landscape", 240, 120, "square:122:20:96", 122},
		{"square to the very end", 120, 240, "square:24:144:96", 144},
		{"square that lies a pixel outside", 120, 240, "square:24:145:96", 40},
		{"square of a larger photo", 240, 120, "square:500:500:100", 60},
	} {
		set := render(t, encodeTestJPEG(t, bands(c.w, c.h)), Recipe{c.crop, 95, false})
		img := decodeJPEG(t, set.For(96).JPEG)
		first, _, _, _ := img.At(0, 0).RGBA()
		if got := int(first >> 8); got < c.want-4 || got > c.want+4 {
			t.Errorf("%s: begins at gray %d, want %d", c.name, got, c.want)
		}
	}
}

// TestCropOfTurned cuts a portrait that is stored in each of the eight ways: the square is the same.
func TestCropOfTurned(t *testing.T) {
	for crop, want := range map[Crop][2]int{CropAuto: {40, 160}, CropTop: {0, 120}, "square:12:30:96": {30, 126}} {
		testCropOfTurned(t, crop, want[0], want[1])
	}
}

// testCropOfTurned looks at the gray of the first and the last row of the square.
func testCropOfTurned(t *testing.T, crop Crop, first, last int) {
	seen := bands(120, 240)
	for o := orientation(1); o <= 8; o++ {
		w, h := 120, 240
		if o.swaps() {
			w, h = h, w
		}
		stored := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range 240 {
			for x := range 120 {
				sx, sy := o.stored(x, y, w, h)
				stored.Set(sx, sy, seen.At(x, y))
			}
		}
		for _, order := range []string{"II", "MM"} {
			set := render(t, withEXIF(encodeTestJPEG(t, stored), exifData(order, int(o))), Recipe{Crop: crop, Quality: 90})
			img := decodeJPEG(t, set.For(96).JPEG)
			top, _, _, _ := img.At(48, 0).RGBA()
			bottom, _, _, _ := img.At(48, 95).RGBA()
			if top, bottom := int(top>>8), int(bottom>>8); top < first-4 || top > first+4 || bottom < last-5 || bottom > last+4 {
				t.Errorf("%s, orientation %d %s: from gray %d to %d, want %d to %d", crop, o, order, top, bottom, first, last)
			}
		}
	}
}

// TestAlphaOnWhite lays what is transparent on white, wherever a format has it.
func TestAlphaOnWhite(t *testing.T) {
	clear := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range clear.Pix {
		clear.Pix[i] = 200 * uint8(i%4/3) // black, and below half transparent
	}
	for i := 3; i < len(clear.Pix)/2; i += 4 {
		clear.Pix[i] = 0
	}
	var asPNG bytes.Buffer
	if err := png.Encode(&asPNG, clear); err != nil {
		t.Fatal(err)
	}
	img := decodeJPEG(t, render(t, asPNG.Bytes(), DefaultRecipe()).For(64).JPEG)
	if r, g, b, _ := img.At(20, 10).RGBA(); r>>8 < 252 || g>>8 < 252 || b>>8 < 252 {
		t.Errorf("transparent is %d %d %d", r>>8, g>>8, b>>8)
	}
	if r, _, _, _ := img.At(20, 50).RGBA(); r>>8 < 50 || r>>8 > 60 {
		t.Errorf("black of alpha 200 is %d, want 55", r>>8)
	}
	for _, name := range []string{"alpha.png", "alpha.webp"} { // transparent above
		img := decodeJPEG(t, render(t, readCorpus(t, name), DefaultRecipe()).For(64).JPEG)
		if r, g, b, _ := img.At(10, 0).RGBA(); r>>8 < 240 || g>>8 < 240 || b>>8 < 240 {
			t.Errorf("%s: transparent is %d %d %d", name, r>>8, g>>8, b>>8)
		}
	}
}

// TestGIFFrameSmallerThanScreen shows the first frame where it lies on the screen, white around it.
func TestGIFFrameSmallerThanScreen(t *testing.T) {
	frame := image.NewPaletted(image.Rect(10, 20, 30, 40), color.Palette{color.RGBA{200, 0, 0, 255}, color.Black})
	var b bytes.Buffer
	g := gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 64, Height: 64}}
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	img := decodeJPEG(t, render(t, b.Bytes(), DefaultRecipe()).For(64).JPEG)
	if r, g, _, _ := img.At(20, 30).RGBA(); r>>8 < 180 || g>>8 > 20 {
		t.Errorf("within the frame: %d %d", r>>8, g>>8)
	}
	if r, g, _, _ := img.At(50, 50).RGBA(); r>>8 < 250 || g>>8 < 250 {
		t.Errorf("beside the frame: %d %d", r>>8, g>>8)
	}
}

func TestDigest(t *testing.T) {
	base := Recipe{CropAuto, 90, false}
	raw := []byte("anything")
	seen := map[string]string{}
	for name, d := range map[string]string{
		"base":    base.Digest(raw),
		"crop":    Recipe{CropCentre, 90, false}.Digest(raw),
		"top":     Recipe{CropTop, 90, false}.Digest(raw),
		"square":  Recipe{"square:0:0:64", 90, false}.Digest(raw),
		"another": Recipe{"square:0:1:64", 90, false}.Digest(raw),
		"quality": Recipe{CropAuto, 91, false}.Digest(raw),
		"upscale": Recipe{CropAuto, 90, true}.Digest(raw),
		"photo":   base.Digest([]byte("anything else")),
		"empty":   base.Digest(nil),
	} {
		if len(d) != 32 || strings.Trim(d, "0123456789abcdef") != "" {
			t.Errorf("%s: %q has not the form of a digest", name, d)
		}
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[d] = name
	}
	if base.Digest(raw) != base.Digest(bytes.Clone(raw)) {
		t.Error("the digest is not the same twice")
	}
}

func TestValidate(t *testing.T) {
	for want, r := range map[string]Recipe{
		"":                                     DefaultRecipe(),
		`photo.quality is 49, want 50 to 100`:  {CropCentre, 49, false},
		`photo.quality is 101, want 50 to 100`: {CropCentre, 101, true},
		`photo.crop is "left", want auto, centre or top`:                                   {"left", 50, false},
		`photo.crop is "square:0:0:99", want auto, centre or top`:                          {"square:0:0:99", 50, false},
		"photo.crop is \"\", want auto, centre or top\nphoto.quality is 0, want 50 to 100": {},
	} {
		got := ""
		if err := r.Validate("photo"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}

func render(t testing.TB, raw []byte, r Recipe) *Set {
	t.Helper()
	set, err := Render(raw, r)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// refused tells what is wrong with a photo, without the head that all such errors have.
func refused(t testing.TB, err error) string {
	t.Helper()
	if photopush.ReasonOf(err) != photopush.BadPhoto {
		t.Fatalf("reason %q, want bad_photo: %v", photopush.ReasonOf(err), err)
	}
	text, ok := strings.CutPrefix(err.Error(), "decode photo: bad_photo: ")
	if !ok {
		t.Errorf("%v does not say what was tried", err)
	}
	return text
}

func decodeJPEG(t testing.TB, file []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func sizesOf(s *Set) (all []int) {
	for _, v := range s.Variants {
		all = append(all, v.Size)
	}
	return all
}

// bands has a gray that grows from one end of the longer side to the other, by one every pixel.
func bands(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8(min(x, 255))
			if h > w {
				v = uint8(min(y, 255))
			}
			m.SetRGBA(x, y, color.RGBA{v, v, v, 255})
		}
	}
	return m
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeTestJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
