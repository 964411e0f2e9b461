"""Writes the small MAT-files that test/formats/mat5.test.ts reads, shaped as SBD's. Run: python3 make-mat.py (SciPy, NumPy).

SciPy writes little-endian files only; the big-endian one is packed by hand from MathWorks' description of the format.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from scipy.io import savemat
from scipy.sparse import csc_matrix

HERE = Path(__file__).parent
labels = np.zeros((5, 7), np.uint8)
labels[1:3, 2:6] = 15
labels[4, 0] = 3
instances = np.zeros((5, 7), np.uint8)
instances[1:3, 2:4], instances[1:3, 4:6], instances[4, 0] = 1, 2, 3


def cells(*values):
    out = np.empty((len(values), 1), object)
    out[:, 0] = values
    return out


sparse = csc_matrix((instances == 1).astype(float))
GTcls = {"Boundaries": cells(sparse, sparse), "Segmentation": labels, "CategoriesPresent": np.array([[3], [15]], np.uint8)}
GTinst = {"Boundaries": cells(sparse), "Segmentation": instances, "Categories": np.array([[15.0], [15.0], [3.0]])}
for packed in (True, False):
    name = "packed" if packed else "plain"
    savemat(HERE / f"mat-cls-{name}.mat", {"GTcls": GTcls}, do_compression=packed)
    savemat(HERE / f"mat-inst-{name}.mat", {"GTinst": GTinst}, do_compression=packed)

people = np.array([("Ada", 36.5), ("Bö", -1.0)], dtype=[("name", object), ("age", object)])
savemat(
    HERE / "mat-kinds.mat",
    {
        "ramp": np.arange(24, dtype=np.float64).reshape(2, 3, 4),
        "whole": np.array([[1.0, 2.0, 300.0]]),
        "i8": np.array([[-128, 127]], np.int8),
        "i16": np.array([[-30000, 30000]], np.int16),
        "u16": np.array([[0, 65535]], np.uint16),
        "i32": np.array([[-(2**31), 2**31 - 1]], np.int32),
        "u32": np.array([[2**32 - 1]], np.uint32),
        "i64": np.array([[-(2**62)]], np.int64),
        "u64": np.array([[2**63]], np.uint64),
        "f4": np.array([[0.5], [-2.25]], np.float32),
        "yes": np.array([[True, False]]),
        "complex": np.array([[1 + 2j]]),
        "people": people,
        "none": np.zeros((0, 0)),
        "text": "gräß €",
    },
    do_compression=True,
)


def element(type_, body):
    """A big-endian element; up to four bytes take the small form."""
    if 0 < len(body) <= 4 and type_ != 14:
        return struct.pack(">HH", len(body), type_) + body.ljust(4, b"\0")
    return struct.pack(">II", type_, len(body)) + body + b"\0" * (-len(body) % 8)


def matrix(name, class_, dims, *parts):
    head = element(6, struct.pack(">II", class_, 0)) + element(5, struct.pack(f">{len(dims)}i", *dims))
    return element(14, head + element(1, name.encode()) + b"".join(parts))


segmentation = matrix("", 9, (5, 7), element(2, labels.tobytes("F")))
# MATLAB stores doubles that are small whole numbers in fewer bytes.
categories = matrix("", 6, (2, 1), element(4, struct.pack(">2H", 3, 15)))
fields = b"Segmentation".ljust(32, b"\0") + b"CategoriesPresent".ljust(32, b"\0")
body = matrix("GTcls", 2, (1, 1), element(5, struct.pack(">i", 32)), element(1, fields), segmentation, categories)
packed = zlib.compress(body)
header = b"MATLAB 5.0 MAT-file, big-endian, by hand".ljust(124) + struct.pack(">H", 0x100) + b"MI"
(HERE / "mat-big-endian.mat").write_bytes(
    header + matrix("x", 6, (1, 2), element(9, struct.pack(">2d", 0.5, -1e300))) + struct.pack(">II", 15, len(packed)) + packed
)
