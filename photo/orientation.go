package photo

// An orientation is the EXIF tag 0x0112, 1 to 8: how the stored picture is to be turned to stand upright (Exif 2.3, 4.6.4 A). Zero is 1.
type orientation uint8

// swaps tells whether width and height change places.
func (o orientation) swaps() bool { return o >= 5 && o <= 8 }
