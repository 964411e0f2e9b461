"""Writes the small PyTorch files that test/formats/torch-file.test.ts reads. Run: python3 make-torch-files.py (PyTorch 2.0 or newer)."""

import argparse
import io
import json
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
base = torch.arange(24, dtype=torch.float32) / 4


def tensors():
    flat = base.clone()
    state = OrderedDict()
    state["f32"] = flat[:6].view(2, 3)
    state["transposed"] = flat.view(2, 3, 4).permute(2, 0, 1)
    state["every_second"] = flat[1::2]
    state["same_as_f32"] = state["f32"]
    state["channels_last"] = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    state["f64"] = torch.tensor([0.1, -2.5], dtype=torch.float64)
    state["f16"] = torch.tensor([0.5, -1.5, 65504], dtype=torch.float16)
    state["bf16"] = torch.tensor([[0.5], [-1.5]], dtype=torch.bfloat16)
    state["i64"] = torch.tensor(7)
    state["i32"] = torch.tensor([-1, 2**31 - 1], dtype=torch.int32)
    state["i16"] = torch.tensor([-300, 300], dtype=torch.int16)
    state["i8"] = torch.tensor([-1, 1], dtype=torch.int8)
    state["u8"] = torch.tensor([0, 255], dtype=torch.uint8)
    state["bool"] = torch.tensor([True, False])
    state["empty"] = torch.zeros(0, 3)
    state["parameter"] = torch.nn.Parameter(torch.tensor([1.5, 2.5]))
    return state


def checkpoint():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    for i, value in enumerate(net.state_dict().values()):
        value.fill_(i + 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 1, 2, 2)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "best": np.float64(0.5),
        "args": argparse.Namespace(lr=0.1, size=torch.Size([2, 3])),
        "shape": torch.Size([2, 3]),
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


state = tensors()
expected = {key: {"dtype": str(t.dtype).split(".")[1], "shape": list(t.shape), "data": t.double().flatten().tolist()} for key, t in state.items()}
(HERE / "torch-tensors.json").write_text(json.dumps(expected))
torch.save(state, HERE / "torch-zip.pth")
torch.save(state, HERE / "torch-legacy.pth", _use_new_zipfile_serialization=False)
torch.manual_seed(0)
torch.save(checkpoint(), HERE / "torch-checkpoint.pth")
torch.save(checkpoint(), HERE / "torch-checkpoint-legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"model": checkpoint()["state_dict"], "ema": checkpoint()["state_dict"]}, HERE / "torch-two-networks.pth")
torch.save(torch.nn.Linear(2, 1), HERE / "torch-whole-network.pth")

# The same as written on a machine of the other byte order, and with packed members as other zip programs write them.
torch.serialization.set_default_load_endianness(None)
plain = io.BytesIO()
torch.save(OrderedDict(x=torch.tensor([1.5, -2.0]), n=torch.tensor([258])), plain)
with zipfile.ZipFile(plain) as source:
    members = {info.filename: source.read(info) for info in source.infolist()}
swapped = {}
for name, data in members.items():
    if "/data/" in name:
        width = 4 if len(data) == 8 and data == members["archive/data/0"] else 8
        data = np.frombuffer(data, f"<u{width}").byteswap().tobytes()
    swapped[name] = b"big" if name.endswith("/byteorder") else data
for file, content, method in [("torch-big-endian", swapped, zipfile.ZIP_STORED), ("torch-deflated", members, zipfile.ZIP_DEFLATED)]:
    with zipfile.ZipFile(HERE / f"{file}.pth", "w", method) as target:
        for name, data in content.items():
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compress_type=method)
