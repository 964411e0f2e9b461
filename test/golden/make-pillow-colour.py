"""Pillow's colour changes and Gaussian blur of a small picture: python3 make-pillow-colour.py > pillow-colour.json

The hue is turned as torchvision does it for Pillow images: in bytes, the turn cut off towards zero, around the circle.
"""

import json

import numpy
from PIL import Image, ImageEnhance, ImageFilter

HEIGHT, WIDTH = 11, 14
FACTORS = [0.75, 0.83, 0.9999, 1.0, 1.13, 1.25]
TURNS = [-0.25, -0.1, -0.003, 0.0, 0.07, 0.25]
SIGMAS = [0.15, 0.4, 0.77, 1.15, 2.5, 9.0]

y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(3), indexing="ij")
pixels = ((37 * y + 23 * x + 91 * c + 11 * x * y) % 256).astype(numpy.uint8)
pixels[0, :7] = [[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 255, 0], [0, 0, 255], [1, 0, 0]]
image = Image.fromarray(pixels)


def hue(turn):
    h, s, v = image.convert("HSV").split()
    turned = numpy.asarray(h).astype(numpy.int64) + int(turn * 255)
    h = Image.fromarray((turned % 256).astype(numpy.uint8), "L")
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def entries(amounts, change):
    return [{"amount": amount, "data": numpy.asarray(change(amount)).ravel().tolist()} for amount in amounts]


print(
    json.dumps(
        {
            "shape": [HEIGHT, WIDTH, 3],
            "data": pixels.ravel().tolist(),
            "changes": {
                "brightness": entries(FACTORS, ImageEnhance.Brightness(image).enhance),
                "contrast": entries(FACTORS, ImageEnhance.Contrast(image).enhance),
                "saturation": entries(FACTORS, ImageEnhance.Color(image).enhance),
                "hue": entries(TURNS, hue),
            },
            "blur": entries(SIGMAS, lambda sigma: image.filter(ImageFilter.GaussianBlur(sigma))),
        },
        separators=(",", ":"),
    )
)
