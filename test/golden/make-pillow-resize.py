"""Pillow's resizing of a small picture: python3 make-pillow-resize.py > pillow-resize.json"""

import json

import numpy
from PIL import Image

HEIGHT, WIDTH = 9, 13
SIZES = [(4, 6), (9, 6), (14, 20), (18, 26)]

y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(3), indexing="ij")
pixels = ((37 * y + 23 * x + 91 * c + 11 * x * y) % 256).astype(numpy.uint8)
image = Image.fromarray(pixels)


def resized(filter):
    results = [numpy.asarray(image.resize((w, h), filter)) for h, w in SIZES]
    return [{"shape": list(r.shape), "data": r.ravel().tolist()} for r in results]


print(
    json.dumps(
        {
            "shape": [HEIGHT, WIDTH, 3],
            "data": pixels.ravel().tolist(),
            "bicubic": resized(Image.BICUBIC),
            "bilinear": resized(Image.BILINEAR),
        }
    )
)
