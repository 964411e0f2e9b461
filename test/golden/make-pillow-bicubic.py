"""Pillow's bicubic resizing of a small picture: python3 make-pillow-bicubic.py > pillow-bicubic.json"""

import json

import numpy
from PIL import Image

HEIGHT, WIDTH = 9, 13
SIZES = [(4, 6), (9, 6), (14, 20), (18, 26)]

y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(3), indexing="ij")
pixels = ((37 * y + 23 * x + 91 * c + 11 * x * y) % 256).astype(numpy.uint8)
image = Image.fromarray(pixels)
resized = [numpy.asarray(image.resize((w, h), Image.BICUBIC)) for h, w in SIZES]
print(
    json.dumps(
        {
            "shape": [HEIGHT, WIDTH, 3],
            "data": pixels.ravel().tolist(),
            "resized": [{"shape": list(r.shape), "data": r.ravel().tolist()} for r in resized],
        }
    )
)
