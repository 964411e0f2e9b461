"""Segmentations and medians of Debian's scikit-image and SciPy (python3-skimage) for test/refine/masks/.

    /usr/bin/python3 test/golden/make-felzenszwalb.py > test/golden/felzenszwalb.json

Pictures have noise, so that no two edges weigh the same and the order of equal ones cannot matter.
"""
import json

import numpy as np
import scipy
import skimage
from scipy.ndimage import median_filter
from skimage.segmentation import felzenszwalb


def picture(seed, height, width):
    """Blocks of plain colour and a disc, with noise; RGB bytes."""
    rng = np.random.default_rng(seed)
    image = np.empty((height, width, 3))
    for y in range(0, height, 9):
        for x in range(0, width, 11):
            image[y : y + 9, x : x + 11] = rng.uniform(0, 255, 3)
    yy, xx = np.mgrid[:height, :width]
    image[(yy - height / 2) ** 2 + (xx - width / 3) ** 2 < (height / 4) ** 2] = rng.uniform(0, 255, 3)
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def runs(values):
    out = []
    for value in values:
        if out and out[-2] == value:
            out[-1] += 1
        else:
            out += [int(value), 1]
    return out


cases = []
for seed, (height, width), options in [
    (1, (30, 41), {"scale": 100, "sigma": 0.8, "min_size": 20}),
    (2, (37, 28), {"scale": 10, "sigma": 0.8, "min_size": 5}),
    (3, (33, 50), {"scale": 400, "sigma": 0.5, "min_size": 30}),
    (4, (24, 24), {"scale": 50, "sigma": 0.0, "min_size": 1}),
    (5, (20, 31), {"scale": 200, "sigma": 2.0, "min_size": 10}),
]:
    image = picture(seed, height, width)
    segments = felzenszwalb(image, **options)
    cases.append(
        {
            "size_hw": [height, width],
            "options": options,
            "image": image.ravel().tolist(),
            "segments": runs(segments.ravel()),
        }
    )
medians = []
for seed, (height, width), side in [(6, (19, 23), 3), (7, (16, 13), 7), (8, (4, 9), 11)]:
    image = picture(seed, height, width)
    filtered = median_filter(image, size=(side, side, 1))
    medians.append({"size_hw": [height, width], "side": side, "image": image.ravel().tolist(), "filtered": filtered.ravel().tolist()})
note = f"scikit-image {skimage.__version__}, SciPy {scipy.__version__}; segments as runs [label, count, …]"
print(json.dumps({"note": note, "cases": cases, "medians": medians}, separators=(",", ":")))
