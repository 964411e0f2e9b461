"""
A small TinyViT as MobileSAM has it, written from its description: python3 make-tiny-vit.py > tiny-vit.json

Weights are not stored: they follow from name and position (CONTRIBUTING.md). Everything is computed in float64 with PyTorch.
"""

import json
import zlib

import numpy
import torch
import torch.nn.functional as F

CONFIG = {"dims": [8, 16, 20, 40], "depths": [1, 2, 2, 1], "heads": [1, 2, 5, 4], "windows": [7, 7, 14, 7], "classes": 3}
CHANNELS = 16
SIZE = 88  # 22, 11 and 6 cells a side: no window fits in evenly


def unit(name, count):
    mask = 2**32 - 1
    x = (numpy.arange(count, dtype=numpy.uint64) * 2654435761 + zlib.crc32(name.encode())) & mask
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & mask
    return (x ^ (x >> 16)).astype(numpy.float64) / 2**32


def fill(name, *shape):
    u = unit(name, int(numpy.prod(shape)))
    last = name.split(".")[-1]
    if last == "running_mean" or last == "bias":
        values = (2 * u - 1) * 0.1
    elif last == "running_var" or (last == "weight" and len(shape) == 1):
        values = 0.5 + u
    elif last == "weight":
        values = (2 * u - 1) * (3 / numpy.prod(shape[1:])) ** 0.5
    else:
        values = (2 * u - 1) * 0.5
    return torch.from_numpy(values.astype(numpy.float32).astype(numpy.float64).reshape(shape))


def norm(name, x):
    c = x.shape[-1]
    return F.layer_norm(x, (c,), fill(f"{name}.weight", c), fill(f"{name}.bias", c), 1e-5)


def linear(name, x, out):
    return F.linear(x, fill(f"{name}.weight", out, x.shape[-1]), fill(f"{name}.bias", out))


def conv(name, x, out, kernel=1, stride=1, groups=1):
    weight = fill(f"{name}.c.weight", out, x.shape[1] // groups, kernel, kernel)
    x = F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=groups)
    mean, var = fill(f"{name}.bn.running_mean", out), fill(f"{name}.bn.running_var", out)
    return F.batch_norm(x, mean, var, fill(f"{name}.bn.weight", out), fill(f"{name}.bn.bias", out), eps=1e-5)


def attention(name, x, heads, side):
    """Cell by cell: x is one window, (side · side, channels)."""
    cells, channels = x.shape
    d = channels // heads
    qkv = linear(f"{name}.qkv", norm(f"{name}.norm", x), 3 * channels)
    biases = fill(f"{name}.attention_biases", heads, side * side)
    rows = torch.arange(cells) // side
    columns = torch.arange(cells) % side
    apart = (rows[:, None] - rows[None]).abs() * side + (columns[:, None] - columns[None]).abs()
    parts = []
    for head in range(heads):
        q, k, v = qkv[:, head * 3 * d : (head + 1) * 3 * d].split(d, 1)
        parts.append((q @ k.T / d**0.5 + biases[head][apart]).softmax(1) @ v)
    return linear(f"{name}.proj", torch.cat(parts, 1), channels)


def windows(name, x, heads, side):
    """x (1, C, H, W), filled up with zeros at the bottom and right."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % side, 0, -height % side))
    out = torch.zeros_like(x)
    for top in range(0, x.shape[2], side):
        for left in range(0, x.shape[3], side):
            window = x[0, :, top : top + side, left : left + side]
            y = attention(name, window.flatten(1).T, heads, side)
            out[0, :, top : top + side, left : left + side] = y.T.reshape(window.shape)
    return out[:, :, :height, :width]


def perceptron(name, x):
    """Over the channels of (1, C, H, W)."""
    x = x.permute(0, 2, 3, 1)
    y = linear(f"{name}.fc1", norm(f"{name}.norm", x), 4 * x.shape[-1])
    return linear(f"{name}.fc2", F.gelu(y), x.shape[-1]).permute(0, 3, 1, 2)


def stage(name, x, index):
    dim = CONFIG["dims"][index]
    for i in range(CONFIG["depths"][index]):
        block = f"{name}.blocks.{i}"
        if index == 0:
            y = F.gelu(conv(f"{block}.conv1", x, 4 * dim))
            y = F.gelu(conv(f"{block}.conv2", y, 4 * dim, 3, groups=4 * dim))
            x = F.gelu(x + conv(f"{block}.conv3", y, dim))
        else:
            x = x + windows(f"{block}.attn", x, CONFIG["heads"][index], CONFIG["windows"][index])
            x = conv(f"{block}.local_conv", x, dim, 3, groups=dim)
            x = x + perceptron(f"{block}.mlp", x)
    if index == 3:
        return x
    out = CONFIG["dims"][index + 1]
    y = F.gelu(conv(f"{name}.downsample.conv1", x, out))
    y = F.gelu(conv(f"{name}.downsample.conv2", y, out, 3, stride=2 if index < 2 else 1, groups=out))
    return conv(f"{name}.downsample.conv3", y, out)


def channel_norm(name, x):
    c = x.shape[1]
    x = F.layer_norm(x.permute(0, 2, 3, 1), (c,), fill(f"{name}.weight", c), fill(f"{name}.bias", c), 1e-6)
    return x.permute(0, 3, 1, 2)


def golden(x):
    return {"shape": list(x.shape), "data": [float(f"{v:.9g}") for v in x.flatten().tolist()]}


torch.set_grad_enabled(False)
image = (2 * unit("input:tiny-vit", 3 * SIZE * SIZE) - 1) * 2
x = torch.from_numpy(image.astype(numpy.float32).astype(numpy.float64).reshape(1, 3, SIZE, SIZE))
x = F.gelu(conv("patch_embed.seq.0", x, CONFIG["dims"][0] // 2, 3, 2))
x = conv("patch_embed.seq.2", x, CONFIG["dims"][0], 3, 2)
stages = []
for index in range(4):
    x = stage(f"layers.{index}", x, index)
    stages.append(golden(x))
x = F.conv2d(x, fill("neck.0.weight", CHANNELS, x.shape[1], 1, 1))
x = channel_norm("neck.1", x)
x = F.conv2d(x, fill("neck.2.weight", CHANNELS, CHANNELS, 3, 3), padding=1)
x = channel_norm("neck.3", x)
result = {"config": CONFIG, "channels": CHANNELS, "input": "input:tiny-vit", "input_shape": [1, 3, SIZE, SIZE]}
print(json.dumps({**result, "stages": stages, "embedding": golden(x)}))
