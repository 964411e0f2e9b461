"""Writes the small .npy and .npz files that the tests in test/formats read. Run: python3 make-npy.py (NumPy 1.20 or newer)."""

import io
import pickle
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

HERE = Path(__file__).parent
ramp = np.arange(24).reshape(2, 3, 4)


def save(name, array, version=(1, 0)):
    with open(HERE / f"npy-{name}.npy", "wb") as file:
        npy.write_array(file, array, version=version)


save("f4", ramp.astype("<f4") / 4)
save("f4-big-endian", ramp.astype(">f4") / 4)
save("f8-fortran", np.asfortranarray(ramp.astype("<f8") / 4))
save("i4-big-endian-fortran", np.asfortranarray(ramp.astype(">i4") - 12))
save("i8-version2", ramp.astype("<i8") - 12, version=(2, 0))
save("f2", np.array([0, -1.5, 65504, 6e-8, np.inf, np.nan], "<f2"))
save("bool", ramp[0] % 3 == 0)
save("scalar", np.array(2.5))
save("empty", np.zeros((0, 3), "<f4"))
save("text", np.array(["dog", "cat"]))
save("record", np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]))

# Image-level labels as WSSS projects share them: a dictionary from image name or number to a vector of 0 and 1.
labels = {
    "2007_000032": np.array([1, 0, 0, 1], "<f4"),
    2007000039: np.array([0, 1, 0, 0], ">f8"),
    "einhorn_ä": np.array([False, False, True, False]),
    "list": [0, 0.0, True, np.float32(1)],
    "empty": np.zeros(0, "<i8"),
    2**70: -(2**70),
    "rest": (None, -1, 70000, 300, 1e300, b"\x00\xff", "x" * 300, [], (), {}, {1}),
}
boxed = np.array(labels, dtype=object)
header = io.BytesIO()
npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(boxed))
for protocol in range(5):
    body = pickle.dumps(boxed, protocol=protocol)
    (HERE / f"cls-labels-protocol{protocol}.npy").write_bytes(header.getvalue() + body)
old_names = pickle.dumps(boxed, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
(HERE / "cls-labels-old-numpy.npy").write_bytes(header.getvalue() + old_names)

np.savez(HERE / "cams-stored.npz", keys=np.array([0, 8, 15]), cam=ramp.astype("<f4") / 24)
np.savez_compressed(HERE / "cams-deflated.npz", keys=np.array([0, 8, 15]), cam=ramp.astype("<f4") / 24)
