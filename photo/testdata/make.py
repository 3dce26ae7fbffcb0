#!/usr/bin/python3
"""Makes the photos in corpus with Debian's python3-pil, an encoder that is not ours: python3 make.py, in this folder.

Every photo shows, upright, four quarters: red and green above, blue and yellow below, so that a test sees what was turned or mirrored.
"""
import math
import os

from PIL import Image

os.makedirs("corpus", exist_ok=True)


def quarters(w, h):
    colours = ((200, 40, 40), (40, 160, 60)), ((40, 60, 190), (220, 200, 50))
    m = Image.new("RGB", (w, h))
    for y in range(h):
        for x in range(w):
            c = colours[2 * y // h][2 * x // w]
            wave = 12 * math.sin(x / 3.1) * math.cos(y / 4.7)
            m.putpixel((x, y), tuple(int(max(0, min(255, v + wave))) for v in c))
    return m


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    e[0x010F] = "photopush"
    return e


def save(name, m, **how):
    m.save(os.path.join("corpus", name), **how)


# What turns the upright picture into the stored one, by orientation.
STORED = {
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}

for orientation, steps in STORED.items():
    m = quarters(72, 72)
    for step in steps:
        m = m.transpose(step)
    save(f"orientation-{orientation}.jpg", m, quality=85, exif=exif(orientation))

sideways = quarters(72, 72).transpose(Image.Transpose.ROTATE_90)
save("orientation-6-422.jpg", sideways, quality=85, subsampling=1, exif=exif(6))
save("orientation-6.png", sideways, exif=exif(6))
save("orientation-6.webp", sideways, quality=80, exif=exif(6))

square = quarters(100, 100)
save("baseline-420.jpg", square, quality=88)
save("baseline-422.jpg", square, quality=88, subsampling=1)
save("baseline-444.jpg", square, quality=88, subsampling=0)
save("progressive.jpg", square, quality=88, progressive=True)
save("progressive-444.jpg", square, quality=88, progressive=True, subsampling=0)
save("cmyk.jpg", square.convert("CMYK"), quality=88)
save("odd.jpg", quarters(99, 131), quality=88)
save("wide.jpg", quarters(131, 99), quality=88)
save("gray.jpg", square.convert("L"), quality=88)
save("large.jpg", quarters(40, 40).resize((1090, 1090), Image.Resampling.BICUBIC), quality=40)

alpha = quarters(64, 64).convert("RGBA")
alpha.putalpha(Image.linear_gradient("L").resize((64, 64)))
save("rgb.png", quarters(64, 64))
save("alpha.png", alpha)
save("gray-16.png", Image.linear_gradient("L").resize((64, 64)).convert("I").point(lambda v: v * 257))
save("palette.png", quarters(64, 64).quantize(64))
save("tiny.png", quarters(21, 21))
save("tiny.jpg", quarters(15, 19), quality=95)
save("one.png", Image.new("RGB", (1, 1), (10, 120, 230)))
save("24.bmp", quarters(40, 40))
save("8.bmp", quarters(40, 40).quantize(32))
save("still.gif", quarters(64, 64).quantize(64))
save("animated.gif", quarters(64, 64).quantize(64), save_all=True, append_images=[Image.new("P", (64, 64))], duration=100)
save("lossy.webp", square, quality=80)
save("lossless.webp", square, lossless=True)
save("alpha.webp", alpha, quality=80)
save("animated.webp", quarters(64, 64), save_all=True, append_images=[Image.new("RGB", (64, 64))], duration=100)
