"""Writes a small picture and what Pillow makes of it at other sizes, for test/data/enlarge.test.ts. Run: python3 make-resize.py"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SIZES = [(64, 64), (25, 40), (20, 14)]
KERNELS = {"linear": Image.BILINEAR, "cubic": Image.BICUBIC}

coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (14, 20, 3), np.uint8))
source = coarse.resize((40, 28), Image.BICUBIC)
source.save(HERE / "resize-source.png")
for width, height in SIZES:
    for name, kernel in KERNELS.items():
        source.resize((width, height), kernel).save(HERE / f"resize-{name}-{width}x{height}.png")
