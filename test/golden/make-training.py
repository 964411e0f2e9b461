"""Writes training.json: twenty steps of CSRM, written out in PyTorch and float64, on a network of five convolutions and CSRM's heads.

Every weight comes from its name, every image from integer arithmetic, and every random draw is given: mixing and dropout by the
fill of test/helpers/fill.ts, the contrast's by torch.manual_seed before each step. So the same can be run without this script.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F

import dense_crf

STEPS, WARMUP, LABELLED, UNLABELLED, SIZE, CLASSES, HEAD = 20, 6, 2, 2, 64, 5, 8
BATCH, K = LABELLED + UNLABELLED, CLASSES + 1
WIDTHS = [8, 8, 12, 16, 16]
VOID = 255
TAGS = [[1, 0, 1, 0, 0], [0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]]

CRF = dict(gt_prob=0.7, iterations=5, gaussian_sxy=3, gaussian_compat=3, bilateral_sxy=20, bilateral_srgb=13, bilateral_compat=5)
COMMON = dict(
    pseudo_labels=dict(background_threshold=0.05, foreground_threshold=0.35, **CRF),
    contrast=dict(queries=6, negatives=7, temperature=0.5, low_rank=2, high_rank=4, bank=dict(foreground=90, background=120)),
    optimizer=dict(lr=0.02, lr_scratch=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3, bias_lr_multiplier=2, clip_norm=1),
)
# Keys that are absent have the recipe's default, which `full` below writes out.
CASES = {
    "paper": {},
    "authors": dict(
        label_smoothing=0.1,
        pseudo_labels=dict(normalise="strided", foreground_threshold=0.3),
        classmix=dict(scope="batch"),
        segmentation=dict(drop_without_foreground=True),
        s2c=dict(sigma=0.5),
        unsupervised=dict(normaliser="u2pl"),
        contrast=dict(labelled_entropy_split=False, positive_confidence=0, queries=7, negatives=6),
        schedule=dict(decay="poly", ema_warmup_steps=9),
    ),
}
DEFAULTS = dict(
    label_smoothing=0,
    pseudo_labels=dict(normalise="upsampled"),
    classmix=dict(probability=0.5, scope="image"),
    segmentation=dict(weight=1, tags_weight=0.5, drop_without_foreground=False),
    s2c=dict(weight={"from": 0.1, "to": 1}, sigma={"from": 0.1, "to": 1}),
    unsupervised=dict(normaliser="kept", reliable={"from": 0.8, "to": 1}),
    contrast=dict(labelled_entropy_split=True, positive_confidence=0.3),
    schedule=dict(decay="linear", ema_warmup_steps=WARMUP),
    ema=dict(decay=0.8),
)


def merged(*trees):
    out = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, dict) and isinstance(out.get(key), dict) and "from" not in value
            out[key] = merged(out[key], value) if both else value
    return out


# --- Fills, as in test/helpers/fill.ts -----------------------------------------------------------------------------------------


def uniform(name, count):
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + zlib.crc32(name.encode())) % 2**32
    for _ in range(2):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B)) % 2**32
    return (x ^ (x >> np.uint64(16))).astype(np.float64) / 2**32


def fill(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if name.endswith(("running_mean", "bias")):
        v = u * 2**32 * (0.2 / 2**32) - 0.1
    elif name.endswith("running_var") or len(shape) == 1:
        v = 0.5 + u
    else:
        bound = np.sqrt(3 / np.prod(shape[1:]))
        v = u * 2**32 * (2 * bound / 2**32) - bound  # in this order, so that rounding to float32 never differs
    return torch.tensor(v.astype(np.float32)).double().reshape(shape)


class Draws:
    """Uniform numbers 0 <= u < 1 of one stream, in order."""

    def __init__(self, name):
        self.values, self.at = uniform(name, 100_000), 0

    def next(self):
        self.at += 1
        return self.values[self.at - 1]

    def int(self, n):
        return int(np.floor(self.next() * n))

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.int(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


# --- The network ---------------------------------------------------------------------------------------------------------------


def shapes():
    found = {}

    def conv(name, out, inp, k, bias=False):
        found[f"{name}.weight"] = (out, inp, k, k)
        if bias:
            found[f"{name}.bias"] = (out,)

    def norm(name, channels, running=False):
        for key in ["weight", "bias"] + (["running_mean", "running_var"] if running else []):
            found[f"{name}.{key}"] = (channels,)

    conv("backbone.conv1", WIDTHS[0], 3, 3)
    norm("backbone.bn1", WIDTHS[0], True)
    for i in range(1, 5):
        conv(f"backbone.layer{i}.0", WIDTHS[i], WIDTHS[i - 1], 3)
        norm(f"backbone.layer{i}.1", WIDTHS[i], True)
    high, low, fused = WIDTHS[4], WIDTHS[1], HEAD + 48
    conv("classifier", CLASSES, high, 1)
    for i in range(1, 5):
        conv(f"aspp.aspp{i}.atrous_conv", HEAD, high, 1 if i == 1 else 3)
        norm(f"aspp.aspp{i}.bn", HEAD)
    conv("aspp.global_avg_pool.1", HEAD, high, 1)
    norm("aspp.global_avg_pool.2", HEAD)
    conv("aspp.conv1", HEAD, 5 * HEAD, 1)
    norm("aspp.bn1", HEAD)
    conv("project.0", 48, low, 1)
    norm("project.1", 48)
    conv("decoder.0", HEAD, fused, 3)
    norm("decoder.1", HEAD)
    conv("decoder.4", HEAD, HEAD, 3)
    norm("decoder.5", HEAD)
    conv("decoder.8", K, HEAD, 1, bias=True)
    conv("representation.0", HEAD, fused, 3)
    norm("representation.1", HEAD)
    conv("representation.3", HEAD, HEAD, 1, bias=True)
    return found


def resize(x, size):
    return x if tuple(x.shape[2:]) == tuple(size) else F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class Dropouts:
    """Numbers the dropout calls of a whole run; call n keeps where the fill of its name is at least p."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, p):
        u = uniform(f"dropout:{self.calls}", x.numel()).astype(np.float32)
        self.calls += 1
        keep = torch.tensor((u >= np.float32(p)).astype(np.float64)).reshape(x.shape)
        return x * keep / (1 - p)


def forward(w, x, training, drop, seg, rep):
    def bn(name, y):
        scale = w[f"{name}.weight"] / torch.sqrt(w[f"{name}.running_var"] + 1e-5)
        shift = w[f"{name}.bias"] - w[f"{name}.running_mean"] * scale
        return y * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def gn(name, y):
        return F.relu(F.group_norm(y, 4, w[f"{name}.weight"], w[f"{name}.bias"], 1e-5))

    y = F.relu(bn("backbone.bn1", F.conv2d(x, w["backbone.conv1.weight"], stride=2, padding=1)))
    maps = []
    for i, stride in enumerate([2, 2, 2, 1], 1):
        y = F.relu(bn(f"backbone.layer{i}.1", F.conv2d(y, w[f"backbone.layer{i}.0.weight"], stride=stride, padding=1)))
        maps.append(y)
    low, high = maps[0], maps[3]
    cam = F.conv2d(high, w["classifier.weight"])
    out = {"logits": cam.mean((2, 3)), "cam": cam}
    if not (seg or rep):
        return out
    branches = []
    for i, rate in enumerate([1, 6, 12, 18], 1):
        pad = 0 if i == 1 else rate
        y = F.conv2d(high, w[f"aspp.aspp{i}.atrous_conv.weight"], padding=pad, dilation=rate)
        branches.append(gn(f"aspp.aspp{i}.bn", y))
    pooled = gn("aspp.global_avg_pool.2", F.conv2d(high.mean((2, 3), keepdim=True), w["aspp.global_avg_pool.1.weight"]))
    branches.append(F.interpolate(pooled, size=high.shape[2:], mode="bilinear", align_corners=True))
    aspp = gn("aspp.bn1", F.conv2d(torch.cat(branches, 1), w["aspp.conv1.weight"]))
    if training:
        aspp = drop(aspp, 0.5)
    low = gn("project.1", F.conv2d(low, w["project.0.weight"]))
    fused = torch.cat([resize(aspp, low.shape[2:]), low], 1)
    if seg:
        y = gn("decoder.1", F.conv2d(fused, w["decoder.0.weight"], padding=1))
        y = drop(y, 0.1) if training else y
        y = gn("decoder.5", F.conv2d(y, w["decoder.4.weight"], padding=1))
        y = drop(y, 0.1) if training else y
        out["seg"] = F.conv2d(y, w["decoder.8.weight"], w["decoder.8.bias"])
    if rep:
        y = gn("representation.1", F.conv2d(fused, w["representation.0.weight"], padding=1))
        out["rep"] = F.conv2d(y, w["representation.3.weight"], w["representation.3.bias"])
    return out


# --- Pseudo-labels and mixing --------------------------------------------------------------------------------------------------


def threshold_labels(scores, threshold):
    value, index = scores.max(0)
    return torch.where(value > threshold, index + 1, torch.zeros_like(index)).numpy()


def pseudo_labels(cams, tags, pixels, options):
    labels = np.zeros((BATCH, SIZE, SIZE), np.uint8)
    for b in range(BATCH):
        if tags[b, 0] < 0:
            labels[b] = VOID
        present = [c + 1 for c in range(CLASSES) if tags[b, c] > 0]
        if not present:
            continue
        own = cams[b : b + 1] * tags[b].reshape(1, -1, 1, 1)
        if options["normalise"] == "upsampled":
            own = F.relu(resize(own, (SIZE, SIZE)))
            scores = own / (own.amax((2, 3), keepdim=True) + 1e-5)
        else:
            own = F.relu(own)
            scores = resize(own / (own.amax((2, 3), keepdim=True) + 1e-5), (SIZE, SIZE))
        both = dense_crf.kernels(pixels[b], options)
        sure, maybe = (
            dense_crf.refine(threshold_labels(scores[0], options[key]), [0] + present, both, options)
            for key in ("foreground_threshold", "background_threshold")
        )
        labels[b] = np.where((sure == 0) & (maybe != 0), VOID, sure)
    return labels


def choose_mix(labels, options, rng):
    whole = rng.next() < options["probability"] if options["scope"] == "batch" else None
    partners = []
    for a in range(BATCH):
        if not (whole if whole is not None else rng.next() < options["probability"]):
            partners.append(None)
            continue
        other = rng.int(BATCH - 1)
        partners.append(other if other < a else other + 1)
    source, mask, pasted = list(range(BATCH)), np.zeros((BATCH, SIZE, SIZE), bool), np.zeros((BATCH, CLASSES))
    mixed = 0
    for a, partner in enumerate(partners):
        shown = [] if partner is None else [c for c in range(1, K) if (labels[partner] == c).any()]
        if not shown:
            continue
        mixed += 1
        source[a] = partner
        for c in rng.shuffle(list(shown))[: max(len(shown) // 2, 1)]:
            mask[a] |= labels[partner] == c
            pasted[a, c - 1] = 1
    return source, torch.tensor(mask), torch.tensor(pasted), mixed


# --- Losses --------------------------------------------------------------------------------------------------------------------


def cross_entropy(logits, labels, smoothing=0.0):
    logp = F.log_softmax(resize(logits, labels.shape[1:]), 1)
    known = labels != VOID
    target = torch.where(known, labels, torch.zeros_like(labels))
    loss = -(1 - smoothing) * logp.gather(1, target[:, None])[:, 0] - smoothing * logp.mean(1)
    return (loss * known).sum() / max(int(known.sum()), 1)


def allowed_classes(tags):
    return torch.cat([torch.ones(len(tags), 1, dtype=torch.bool), tags != 0], 1)


def entropy(p):
    return -(p * torch.log(p + 1e-10)).sum(1)


def quantile(values, q):
    ordered = values.flatten().sort().values
    position = q * (len(ordered) - 1)
    below = int(np.floor(position))
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def tags_loss(logits, labels, tags):
    allowed = allowed_classes(tags)
    known = labels != VOID
    fits = torch.stack([allowed[b][torch.where(known[b], labels[b], 0)] for b in range(len(labels))])
    used = torch.where(known & fits & (tags[:, 0] >= 0)[:, None, None], labels, VOID)
    return cross_entropy(logits - (~allowed)[:, :, None, None] * 1e4, used)


class Bank:
    def __init__(self, sizes):
        self.rows = [torch.zeros(size, HEAD, dtype=torch.float64) for size in sizes]
        self.size, self.head = [0] * len(sizes), [0] * len(sizes)

    def push(self, c, rows):
        for row in rows[-len(self.rows[c]) :]:
            self.rows[c][self.head[c]] = row
            self.head[c] = (self.head[c] + 1) % len(self.rows[c])
            self.size[c] = min(self.size[c] + 1, len(self.rows[c]))


def unit(x):
    return x / torch.sqrt((x * x).sum(-1, keepdim=True).clamp(min=1e-16))


def draw(counts, each):
    limit = torch.tensor(counts)[:, None]
    return torch.minimum((torch.rand(len(counts), each, dtype=torch.float64) * limit).long(), limit - 1)


def contrast(student, teacher, p, labels, tags, bank, options, alpha):
    known, h = labels != VOID, entropy(p)
    if options["labelled_entropy_split"]:
        low = known & (h < quantile(h[known], alpha))
        high = known & (h > quantile(h[known], 1 - alpha))
    else:
        rest = slice(LABELLED, None)
        pool = h[rest][known[rest]]
        low = torch.cat([known[:LABELLED], known[rest] & (h[rest] < quantile(pool, alpha))])
        high = torch.cat([known[:LABELLED], known[rest] & (h[rest] > quantile(pool, 1 - alpha))])
    rank = p.argsort(1, descending=True).argsort(1)  # 0 = most probable
    last = options["high_rank"] - (1 if options["labelled_entropy_split"] else 0)
    allowed = allowed_classes(tags)
    flat_student, flat_teacher = (x.permute(0, 2, 3, 1).reshape(-1, HEAD) for x in (student, teacher))
    anchors, queries, positives = {}, {}, {}
    for c in range(K):
        of_class = labels == c
        anchors[c] = of_class & low
        queries[c] = anchors[c] & (p[:, c] > 0.3)
        least = options["positive_confidence"]
        positives[c] = anchors[c] & (p[:, c] > least) if least > 0 else anchors[c]
        top, window = rank[:, c] < options["low_rank"], (rank[:, c] >= options["low_rank"]) & (rank[:, c] < last)
        negative = (top & ~allowed[:, c][:, None, None]) | window
        if not options["labelled_entropy_split"]:
            negative = torch.cat([(top & ~of_class)[:LABELLED], negative[LABELLED:]])
        bank.push(c, unit(flat_teacher[(negative & high).flatten()]))
    valid = sum(bool(anchors[c].any()) for c in range(K))
    active = [c for c in range(K) if queries[c].any() and positives[c].any() and bank.size[c] > 0]
    if valid < 2 or not active:
        return torch.zeros((), dtype=torch.float64)
    chosen = draw([int(queries[c].sum()) for c in active], options["queries"])
    slots = draw([bank.size[c] for c in active], options["queries"] * options["negatives"])
    total = 0
    for i, c in enumerate(active):
        places = queries[c].flatten().nonzero()[:, 0]
        query = unit(flat_student[places[chosen[i]]])  # [P, D]
        positive = unit(flat_teacher[positives[c].flatten()].mean(0))
        negative = bank.rows[c][slots[i]].reshape(options["queries"], options["negatives"], HEAD)
        logits = torch.cat([(query @ positive)[:, None], (negative @ query[:, :, None])[:, :, 0]], 1)
        total = total - F.log_softmax(logits / options["temperature"], 1)[:, 0].mean()
    return total / valid


# --- The step ------------------------------------------------------------------------------------------------------------------


def data(step):
    y, x, b, c = np.ogrid[:SIZE, :SIZE, :BATCH, :3]
    n = step * BATCH + b
    values = ((((x + 5 * n) // 16) * 5 + ((y + 3 * n) // 16) * 3 + n * 7) * 37 + c * 50 + (x * y + 3 * x) % 23) % 256
    pixels = np.ascontiguousarray(values.transpose(2, 0, 1, 3).astype(np.uint8))
    images = (torch.tensor(pixels).double() / 255 - 0.5).permute(0, 3, 1, 2) * 4
    tags = torch.tensor([TAGS[(step + 2 * i) % len(TAGS)] for i in range(BATCH)], dtype=torch.float64)
    if step % 5 == 3:
        tags[BATCH - 1] = -1
    return pixels, images, tags


def ramp(value, t):
    return value["from"] + (value["to"] - value["from"]) * t if isinstance(value, dict) else value


def mix(x, source, mask):
    return torch.where(mask[:, None] if x.ndim == 4 else mask, x[source], x)


def losses_of(student, teacher, batch, recipe, t, full, bank, rng, drop):
    pixels, images, tags = batch
    smoothing, size = recipe["label_smoothing"], (SIZE, SIZE)
    with torch.no_grad():
        plain = forward(teacher, images, False, drop, full, False)
        labels = pseudo_labels(plain["cam"], tags, pixels, recipe["pseudo_labels"])
        source, mask, pasted, mixed = choose_mix(labels, recipe["classmix"], rng)
        labels = mix(torch.tensor(labels).long(), source, mask)[:LABELLED]
        images = mix(images, source, mask)
        tags = torch.where(tags < 0, tags, torch.maximum(tags, pasted))
        if full:
            upsampled = mix(resize(plain["seg"], size), source, mask)
            restricted = (upsampled - (~allowed_classes(tags))[:, :, None, None] * 1e4).softmax(1)
            confidence, taught = restricted.max(1)
            noisy = forward(teacher, images, True, drop, True, True)
            entropies = entropy(resize(noisy["seg"][LABELLED:], size).softmax(1))
    own = forward(student, images, True, drop, True, full)
    tagged = (tags[:, 0] >= 0).double()
    target = tags.clamp(min=0) * (1 - smoothing) + smoothing / 2
    margin = -(target * F.logsigmoid(own["logits"]) + (1 - target) * F.logsigmoid(-own["logits"])).mean(1)
    found = {"classification": (margin * tagged).sum() / tagged.sum().clamp(min=1)}
    used = labels.clone()
    if recipe["segmentation"]["drop_without_foreground"]:
        for b in range(LABELLED):
            if not ((labels[b] != 0) & (labels[b] != VOID)).any():
                used[b] = VOID
    found["segmentation"] = cross_entropy(own["seg"][:LABELLED], used, smoothing)
    found["tags"] = tags_loss(own["seg"][:LABELLED], labels, tags[:LABELLED])
    if not full:
        return found, mixed
    sigma, reliable = ramp(recipe["s2c"]["sigma"], t), ramp(recipe["unsupervised"]["reliable"], t)
    logits = torch.cat([resize(own["seg"][:, :1].detach(), size), resize(own["cam"], size)], 1)
    found["s2c"] = cross_entropy(logits, torch.where(confidence > sigma, taught, VOID), smoothing)
    threshold, authors = quantile(entropies, reliable), recipe["unsupervised"]["normaliser"] == "u2pl"
    keep = entropies < threshold if authors else entropies <= threshold
    loss = cross_entropy(own["seg"][LABELLED:], torch.where(keep, taught[LABELLED:], VOID))
    found["unsupervised"] = loss * keep.numel() / max(int(keep.sum()), 1) if authors else loss
    together = torch.cat([labels, taught[LABELLED:]])[:, :: SIZE // 16, :: SIZE // 16]
    p = noisy["seg"].softmax(1)
    found["contrast"] = contrast(own["rep"], noisy["rep"], p, together, tags, bank, recipe["contrast"], 1 - reliable)
    return found, mixed


def summary(tensor, samples):
    flat = tensor.detach().flatten()
    places = sorted({round(i * (len(flat) - 1) / max(samples - 1, 1)) for i in range(samples)})
    return [float(f"{v:.10g}") for v in [flat.norm().item()] + [flat[i].item() for i in places]]


def run(recipe):
    names = shapes()
    student = {name: fill(name, shape) for name, shape in names.items()}
    frozen = [n for n in names if "running" in n or n.startswith(("backbone.conv1", "backbone.bn1")) or (n.startswith("backbone") and ".1." in n)]
    trained = [n for n in names if n not in frozen]
    teacher = {name: tensor.clone() for name, tensor in student.items()}
    for name in trained:
        student[name].requires_grad_()
    o = recipe["optimizer"]
    velocity, drop, rng = {}, Dropouts(), Draws("mixing")
    bank = Bank([recipe["contrast"]["bank"]["background" if c == 0 else "foreground"] for c in range(K)])
    steps = []
    for step in range(STEPS):
        torch.manual_seed(1000 + step)
        t = max(0.0, (step - WARMUP) / (STEPS - WARMUP))
        found, mixed = losses_of(student, teacher, data(step), recipe, t, step >= WARMUP, bank, rng, drop)
        weights = dict(classification=1, segmentation=1, tags=0.5, s2c=ramp(recipe["s2c"]["weight"], t), unsupervised=1, contrast=1)
        total = sum(weights[name] * loss for name, loss in found.items())
        total.backward()
        norm = torch.sqrt(sum((student[n].grad ** 2).sum() for n in trained if student[n].grad is not None))
        factor = (1 - step / STEPS) ** (0.9 if recipe["schedule"]["decay"] == "poly" else 1)
        done, copies = step + 1, recipe["schedule"]["ema_warmup_steps"]
        decay = 0 if done <= copies else min(1 - 1 / (1 + done - WARMUP), recipe["ema"]["decay"])
        with torch.no_grad():
            for name in trained:
                parameter = student[name]
                if parameter.grad is not None:
                    lr = o["lr"] if name.startswith(("backbone.", "classifier.")) else o["lr_scratch"]
                    weight = "weight" in name
                    gradient = parameter.grad * min(1, o["clip_norm"] / (norm + 1e-6))
                    gradient = gradient + (o["weight_decay"] if weight else 0) * parameter
                    seen = name in velocity
                    velocity[name] = o["momentum"] * velocity[name] + gradient if seen else gradient.clone()
                    rate = lr * factor * (1 if weight else o["bias_lr_multiplier"])
                    parameter -= rate * (gradient + o["momentum"] * velocity[name])
                    parameter.grad = None
                teacher[name].copy_(decay * teacher[name] + (1 - decay) * parameter)
        last = step == STEPS - 1
        steps.append(
            dict(
                losses={name: float(f"{loss.item():.12g}") for name, loss in found.items()},
                norm=norm.item(),
                factor=factor,
                decay=decay,
                mixed=mixed,
                bank=list(bank.size),
                student={n: summary(student[n], 24 if last else 2) for n in trained},
                teacher={n: summary(teacher[n], 24 if last else 2) for n in trained},
            )
        )
        print(step, {k: round(v, 4) for k, v in steps[-1]["losses"].items()}, round(norm.item(), 3), mixed, bank.size)
    return steps


if __name__ == "__main__":
    out = {"torch": torch.__version__, "steps": STEPS, "warmup": WARMUP, "labelled": LABELLED, "size": SIZE, "classes": CLASSES, "head_channels": HEAD, "tag_rows": TAGS, "cases": {}}
    for name, changes in CASES.items():
        recipe = merged(DEFAULTS, COMMON, changes)
        print(name)
        out["cases"][name] = {"recipe": recipe, "steps": run(recipe)}
    pathlib.Path(__file__).with_name("training.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
