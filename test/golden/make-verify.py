"""Writes verify.json: steps of the verification trainings in PyTorch and float64, on networks of two convolutions.

deeplabv2: losses at three scales and at their maximum, on labels that Pillow reduces, SGD in DeepLab's groups, rates that fall every
third step; deeplabv3plus: one loss at the labels' size with label smoothing, batch normalisation that learns, Nesterov's momentum.
Weights come from their names, as test/helpers/fill.ts has them; images and labels from integer arithmetic.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

STEPS, BATCH, SIZE, CLASSES, WIDTH = 8, 3, 37, 4, 6
CASES = {
    "deeplabv2": dict(
        batch_norm="frozen", lr=0.02, lr_head_multiplier=10, lr_bias_multiplier=2, momentum=0.9, nesterov=False, weight_decay=0.01,
        decay="poly", decay_every=3, label_smoothing=0, clip_norm=None,
    ),
    "deeplabv3plus": dict(
        batch_norm="train", lr=0.02, lr_head_multiplier=10, lr_bias_multiplier=2, momentum=0.9, nesterov=True, weight_decay=0.01,
        decay="poly", decay_every=1, label_smoothing=0.1, clip_norm=1.0,
    ),
}


def uniform(name, count):
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + zlib.crc32(name.encode())) % 2**32
    for _ in range(2):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B)) % 2**32
    return (x ^ (x >> np.uint64(16))).astype(np.float64)


def fill(name, shape):
    u, count = 1 / 2**32, int(np.prod(shape))
    if name.endswith(("running_mean", "bias")):
        values = uniform(name, count) * (0.2 * u) - 0.1
    elif name.endswith("running_var") or len(shape) == 1:
        values = uniform(name, count) * u + 0.5
    else:
        bound = np.sqrt(3 / np.prod(shape[1:]))
        values = uniform(name, count) * (2 * bound * u) - bound
    return torch.tensor(values.astype(np.float32)).double().reshape(shape)


def images(step):
    values = uniform(f"image:{step}", BATCH * 3 * SIZE * SIZE) * (4 / 2**32) - 2
    return torch.tensor(values.astype(np.float32)).double().reshape(BATCH, 3, SIZE, SIZE)


def labels(step):
    b, y, x = np.meshgrid(np.arange(BATCH), np.arange(SIZE), np.arange(SIZE), indexing="ij")
    maps = (x // 7 + y // 5 + b + step) % (CLASSES + 1)
    return np.where(maps == CLASSES, 255, maps).astype(np.uint8)


def reduced(maps, size):
    return np.stack([np.asarray(Image.fromarray(each).resize((size[1], size[0]), Image.NEAREST)) for each in maps])


class Network:
    def __init__(self, prefix, head, recipe):
        self.training = recipe["batch_norm"] == "train"
        shapes = {
            f"{prefix}.conv.weight": (WIDTH, 3, 3, 3),
            f"{prefix}.bn.weight": (WIDTH,),
            f"{prefix}.bn.bias": (WIDTH,),
            f"{head}.weight": (CLASSES, WIDTH, 3, 3),
            f"{head}.bias": (CLASSES,),
        }
        self.state = {name: fill(name, shape) for name, shape in shapes.items()}
        self.mean, self.var = fill(f"{prefix}.bn.running_mean", (WIDTH,)), fill(f"{prefix}.bn.running_var", (WIDTH,))
        self.prefix, self.head = prefix, head
        for name, value in self.state.items():
            value.requires_grad_(self.training or ".bn." not in name)

    def __call__(self, x):
        s, p = self.state, self.prefix
        y = F.conv2d(x, s[f"{p}.conv.weight"], stride=4, padding=1)
        y = F.batch_norm(y, self.mean, self.var, s[f"{p}.bn.weight"], s[f"{p}.bn.bias"], self.training, 0.1, 1e-5)
        return F.conv2d(y.relu(), s[f"{self.head}.weight"], s[f"{self.head}.bias"], padding=1)

    def groups(self, recipe):
        out = []
        for name, value in self.state.items():
            if value.requires_grad:
                rate = recipe["lr"] * (1 if name.startswith(self.prefix) else recipe["lr_head_multiplier"])
                bias = "weight" not in name
                decay = 0 if bias else recipe["weight_decay"]
                out.append(dict(params=[value], base=rate * (recipe["lr_bias_multiplier"] if bias else 1), lr=0.0, weight_decay=decay))
        return out


def losses_of(case, network, x, maps, smoothing):
    if case == "deeplabv3plus":
        logits = F.interpolate(network(x), size=(SIZE, SIZE), mode="bilinear", align_corners=True)
        return [F.cross_entropy(logits, torch.tensor(maps).long(), ignore_index=255, label_smoothing=smoothing)]
    first = network(x)
    smaller = [network(F.interpolate(x, scale_factor=f, mode="bilinear", align_corners=False)) for f in (0.5, 0.75)]
    size = first.shape[2:]
    largest = first
    for each in smaller:
        largest = torch.maximum(largest, F.interpolate(each, size=size, mode="bilinear", align_corners=False))
    return [
        F.cross_entropy(each, torch.tensor(reduced(maps, each.shape[2:])).long(), ignore_index=255)
        for each in [first, *smaller, largest]
    ]


def run(case, recipe):
    prefix, head = ("base.layer", "base.aspp") if case == "deeplabv2" else ("backbone", "decoder")
    network = Network(prefix, head, recipe)
    groups = network.groups(recipe)
    optimizer = torch.optim.SGD(groups, lr=1, momentum=recipe["momentum"], nesterov=recipe["nesterov"])
    steps = []
    for step in range(STEPS):
        optimizer.zero_grad()
        losses = losses_of(case, network, images(step), labels(step), recipe["label_smoothing"])
        sum(losses).backward()
        learning = [p for group in groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(learning, recipe["clip_norm"] or float("inf")).item()
        changed = step // recipe["decay_every"] * recipe["decay_every"]
        factor = (1 - changed / STEPS) ** 0.9
        for group, own in zip(optimizer.param_groups, groups):
            group["lr"] = own["base"] * factor
        optimizer.step()
        parameters = {name: value.detach().flatten().tolist()[::5] for name, value in network.state.items()}
        steps.append(dict(losses=[loss.item() for loss in losses], norm=norm, factor=factor, parameters=parameters))
    return dict(recipe=recipe, steps=steps, running_mean=network.mean.tolist())


def inference():
    """Multi-scale inference with mirror images, as the authors' script has it: sums over mirrors, means over scales, softmax."""
    height, width, mean, std = 24, 34, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    image = ((x * 7 + y * 5 + c * 60 + (x // 8 + y // 6) * 40) % 256).astype(np.uint8)
    network = Network("backbone", "decoder", dict(batch_norm="frozen"))
    cases = []
    for scales in [(1.0,), (0.5, 1.0, 1.5)]:
        total = 0
        for scale in scales:
            size = (round(width * scale), round(height * scale))
            small = np.asarray(Image.fromarray(image).resize(size, Image.BICUBIC)).astype(np.float64)
            one = torch.tensor(((small / 255 - mean) / std).transpose(2, 0, 1))
            with torch.no_grad():
                pair = torch.stack([one, one.flip(-1)]).double()
                logits = F.interpolate(network(pair), size=pair.shape[2:], mode="bilinear", align_corners=True)
                logits = F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
            total = total + logits[0] + logits[1].flip(-1)
        chances = torch.softmax(total / len(scales), 0)
        cases.append(dict(scales=scales, probabilities=[round(value, 7) for value in chances.flatten().tolist()[::7]]))
    return dict(height=height, width=width, mean=mean, std=std, cases=cases)


sizes = [(37, 5), (37, 10), (33, 17), (321, 41), (5, 5)]
row = lambda have: (np.arange(have) % 251).astype(np.uint8)[None, None]
nearest = [dict(have=have, want=want, source=reduced(row(have), (1, want))[0, 0].tolist()) for have, want in sizes]
out = dict(
    torch=torch.__version__, steps=STEPS, batch=BATCH, size=SIZE, classes=CLASSES, width=WIDTH, nearest=nearest, inference=inference(),
    cases={name: run(name, recipe) for name, recipe in CASES.items()},
)
pathlib.Path(__file__).with_name("verify.json").write_text(json.dumps(out) + "\n")
