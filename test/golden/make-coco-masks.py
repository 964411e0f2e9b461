"""Writes coco-masks.json, which test/formats/coco-masks.test.ts reads. Run: python3 make-coco-masks.py (pycocotools 2.0, NumPy).

Each case is a segmentation as it stands in COCO's annotations and the mask that pycocotools makes of it: run lengths down the
columns, beginning with zeros.
"""

import json
import math
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

HERE = Path(__file__).parent
random = np.random.default_rng(3)


def runs(mask):
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    return np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()


def case(name, height, width, segmentation):
    if isinstance(segmentation, list):
        encoded = coco.merge(coco.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        encoded = coco.frPyObjects(segmentation, height, width)
    else:
        encoded = segmentation
    mask = coco.decode(encoded)
    return {
        "name": name,
        "height": height,
        "width": width,
        "segmentation": segmentation,
        "runs": runs(mask),
        "area": int(coco.area(encoded)),
        "compressed": coco.encode(np.asfortranarray(mask))["counts"].decode(),
    }


def star(cx, cy, radius, points, decimals=2):
    angles = np.sort(random.uniform(0, 2 * math.pi, points))
    radii = random.uniform(0.2, 1, points) * radius
    xy = np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], 1)
    return [round(float(v), decimals) for v in xy.ravel()]


cases = [
    case("a rectangle on whole pixels", 8, 10, [[2, 1, 7, 1, 7, 5, 2, 5]]),
    case("a rectangle on half pixels", 8, 10, [[2.5, 1.5, 7.5, 1.5, 7.5, 5.5, 2.5, 5.5]]),
    case("the whole image", 6, 9, [[0, 0, 9, 0, 9, 6, 0, 6]]),
    case("beyond every border", 6, 9, [[-3, -4, 12, -2, 15, 9, -5, 11]]),
    case("a triangle", 20, 30, [[3.2, 4.7, 25.9, 9.1, 11.4, 18.3]]),
    case("the same, clockwise", 20, 30, [[3.2, 4.7, 11.4, 18.3, 25.9, 9.1]]),
    case("points that repeat", 12, 12, [[2, 2, 2, 2, 9, 2, 9, 9, 9, 9, 2, 9, 2, 2]]),
    case("a bow tie", 15, 15, [[1, 1, 13, 13, 13, 1, 1, 13]]),
    case("thinner than a pixel", 12, 12, [[1.1, 1.2, 10.8, 1.3, 10.8, 1.4, 1.1, 1.4]]),
    case("a line there and back", 12, 12, [[1, 1, 9, 7, 1, 1]]),
    case("outside of the image", 6, 6, [[10, 10, 14, 10, 14, 14]]),
    case("two that overlap", 16, 16, [[1, 1, 10, 1, 10, 10, 1, 10], [5, 5, 15, 5, 15, 15, 5, 15]]),
    case("two that touch", 10, 10, [[0, 0, 5, 0, 5, 10, 0, 10], [5, 0, 10, 0, 10, 10, 5, 10]]),
    case("one column", 7, 1, [[0, 1, 1, 1, 1, 5, 0, 5]]),
    case("one row", 1, 7, [[1, 0, 5, 0, 5, 1, 1, 1]]),
    case("runs of a crowd", 5, 6, {"counts": [3, 4, 0, 2, 10, 11], "size": [5, 6]}),
    case("runs that begin with ones", 4, 4, {"counts": [0, 5, 6, 5], "size": [4, 4]}),
    case("no pixel", 4, 4, {"counts": [16], "size": [4, 4]}),
]
for i in range(20):
    height, width = (int(v) for v in random.integers(20, 90, 2))
    polygons = [
        star(random.uniform(0, width), random.uniform(0, height), random.uniform(5, 60), int(random.integers(3, 30)))
        for _ in range(int(random.integers(1, 4)))
    ]
    cases.append(case(f"stars {i}", height, width, polygons))
for i in range(4):
    height, width = (int(v) for v in random.integers(20, 120, 2))
    noise = np.asfortranarray((random.random((height, width)) < (0.02, 0.5, 0.98, 0.3)[i]).astype(np.uint8))
    if i == 3:
        noise[:, : width // 2] = 1
    packed = coco.encode(noise)
    cases.append(case(f"packed {i}", height, width, {"counts": packed["counts"].decode(), "size": [height, width]}))

(HERE / "coco-masks.json").write_text("[\n" + ",\n".join(json.dumps(each, separators=(",", ":")) for each in cases) + "\n]\n")
