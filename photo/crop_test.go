package photo

import (
	"image"
	"testing"
)

func TestParseCrop(t *testing.T) {
	const want = ", want auto, centre, top, or square:x:y:side with a side of 32 to 16384 px"
	for text, c := range map[string]struct {
		crop Crop
		err  string
	}{
		"auto":                      {CropAuto, ""},
		"Centre":                    {CropCentre, ""},
		"TOP":                       {CropTop, ""},
		"square:0:0:32":             {"square:0:0:32", ""},
		"Square:007:16384:016384":   {"square:7:16384:16384", ""},
		"":                          {"", `crop is ""` + want},
		"center":                    {"", `crop is "center"` + want},
		"square":                    {"", `crop is "square"` + want},
		"square:1:2":                {"", `crop is "square:1:2"` + want},
		"square:1:2:31":             {"", `crop is "square:1:2:31"` + want},
		"square:-1:2:40":            {"", `crop is "square:-1:2:40"` + want},
		"square:+1:2:40":            {"", `crop is "square:+1:2:40"` + want},
		"square:1:2:40:50":          {"", `crop is "square:1:2:40:50"` + want},
		"square:1:16385:40":         {"", `crop is "square:1:16385:40"` + want},
		"square:1:2:16385":          {"", `crop is "square:1:2:16385"` + want},
		"square:1:2:99999999999999": {"", `crop is "square:1:2:99999999999999"` + want},
		"square:1:2: 40":            {"", `crop is "square:1:2: 40"` + want},
	} {
		got, err := ParseCrop(text)
		if got != c.crop || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%q: %q, %v, want %q, %s", text, got, err, c.crop, c.err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		crop    Crop
		w, h    int
		x, y, n int
		fits    bool
	}{
		{CropAuto, 100, 100, 0, 0, 100, true},
		{CropAuto, 99, 131, 0, 10, 99, true},
		{CropTop, 99, 131, 0, 0, 99, true},
		{CropTop, 131, 99, 16, 0, 99, true},
		{CropTop, 1, 1, 0, 0, 1, true},
		{"square:31:0:100", 131, 100, 31, 0, 100, true},
		{"square:32:0:100", 131, 100, 15, 0, 100, false},
		{"square:0:0:32", 20, 30, 0, 3, 20, false},
		{"square:16384:16384:16384", 16384, 16384, 0, 0, 16384, false},
	} {
		r, fits := c.crop.Cut(c.w, c.h)
		if r != image.Rect(c.x, c.y, c.x+c.n, c.y+c.n) || fits != c.fits {
			t.Errorf("%s of %d×%d: %v, %t", c.crop, c.w, c.h, r, fits)
		}
	}
}

// TestSquareIsJustThatPart compares an explicit square with the same part as a photo of its own, pixel by pixel.
func TestSquareIsJustThatPart(t *testing.T) {
	whole := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for i := range whole.Pix {
		whole.Pix[i] = uint8(i * i / 7) // noise: any other part differs
	}
	for i := 3; i < len(whole.Pix); i += 4 {
		whole.Pix[i] = 255
	}
	part := whole.SubImage(image.Rect(77, 41, 77+99, 41+99))
	got := render(t, encodePNG(t, whole), Recipe{"square:77:41:99", 90, false})
	want := render(t, encodePNG(t, part), DefaultRecipe())
	if got.Side != 99 || len(got.Variants) != len(want.Variants) {
		t.Fatalf("side %d, %d variants", got.Side, len(got.Variants))
	}
	for i, v := range want.Variants {
		if got.Variants[i].SHA256 != v.SHA256 {
			t.Errorf("Image%d differs", v.Size)
		}
	}
}
