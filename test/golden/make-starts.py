"""Writes starts.json: Puzzle-CAM and P-NOC, each for eight steps, written out in PyTorch and float64 on a network of five convolutions.

Every weight comes from its name and every image from integer arithmetic, as in make-training.py; the erased classes are drawn by a
fill. Beside the steps the file has both erasures and the reconstruction loss by themselves, with gradients. Nothing of csrm is used.
"""

import importlib.util
import json
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("training", HERE / "make-training.py")
training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(training)

STEPS, BATCH, SIZE, CLASSES, TILES = 8, 3, 64, training.CLASSES, 2
COMMON = dict(optimizer="sgd", momentum=0, lr=0.02, lr_head_multiplier=10, weight_decay=1e-2, freeze="none", batch_norm="train")
CASES = {
    "puzzle": dict(method="puzzle", label_smoothing=0, clip_norm=None, **COMMON),
    "pnoc": dict(method="pnoc", label_smoothing=0.1, clip_norm=2, **COMMON),
    "other numbers": dict(
        method="pnoc",
        label_smoothing=0.05,
        clip_norm=None,
        puzzle=dict(weight=1.5, ramp=0.25),
        pnoc=dict(erasure_weight=0.7, ordinary_weight={"from": 1, "to": 0.5}, threshold=0.45),
        **{**COMMON, "momentum": 0.9},
    ),
}
DEFAULTS = dict(
    puzzle=dict(weight=4, ramp=0.5),
    pnoc=dict(erasure_weight={"from": 0.3, "to": 1}, ordinary_weight={"from": 0, "to": 1}, threshold=0.2),
)


def shapes():
    return {n: s for n, s in training.shapes().items() if n.startswith(("backbone", "classifier"))}


def network(prefix):
    weights = {n: training.fill(prefix + n, s) for n, s in shapes().items()}
    for name, weight in weights.items():
        weight.requires_grad_("running" not in name)
    return weights


def forward(w, x, batch_statistics):
    """Logits and raw activation maps. With the batch's statistics the running ones move, as in torch.nn.BatchNorm2d."""

    def bn(name, y):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        if batch_statistics:
            m, v = y.mean((0, 2, 3)), y.var((0, 2, 3), unbiased=False)
            count = y.numel() / y.shape[1]
            with torch.no_grad():
                mean.mul_(0.9).add_(0.1 * m)
                var.mul_(0.9).add_(0.1 * v * count / (count - 1))
            mean, var = m, v
        y = (y - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
        return y * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]

    y = F.relu(bn("backbone.bn1", F.conv2d(x, w["backbone.conv1.weight"], stride=2, padding=1)))
    for i, stride in enumerate([2, 2, 2, 1], 1):
        y = F.relu(bn(f"backbone.layer{i}.1", F.conv2d(y, w[f"backbone.layer{i}.0.weight"], stride=stride, padding=1)))
    cam = F.conv2d(y, w["classifier.weight"])
    return cam.mean((2, 3)), cam


def images_of(step):
    y, x, b, c = training.np.ogrid[:SIZE, :SIZE, :BATCH, :3]
    n = step * BATCH + b
    values = ((((x + 5 * n) // 16) * 5 + ((y + 3 * n) // 16) * 3 + n * 7) * 37 + c * 50 + (x * y + 3 * x) % 23) % 256
    images = (torch.tensor(values.transpose(2, 0, 1, 3).copy()).double() / 255 - 0.5).permute(0, 3, 1, 2) * 4
    rows = [training.TAGS[(step + 2 * i) % len(training.TAGS)] for i in range(BATCH)]
    return images, torch.tensor(rows, dtype=torch.float64)


def soft_margin(logits, tags, smoothing):
    target = tags * (1 - smoothing) + smoothing / 2
    return -(target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()


def tiles_of(x):
    h, w = x.shape[2] // TILES, x.shape[3] // TILES
    return torch.cat([x[:, :, i * h : (i + 1) * h, j * w : (j + 1) * w] for i in range(TILES) for j in range(TILES)])


def put_together(maps):
    whole = torch.empty(len(maps) // TILES**2, maps.shape[1], TILES * maps.shape[2], TILES * maps.shape[3], dtype=maps.dtype)
    rows = []
    for i in range(TILES):
        row = [maps[(i * TILES + j) * len(whole) : (i * TILES + j + 1) * len(whole)] for j in range(TILES)]
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def reconstruction(whole, pieces, tags):
    return ((whole - pieces).abs() * tags[:, :, None, None]).sum() / whole.numel()


def map_of(cam, chosen):
    maps = []
    for b in range(len(cam)):
        maps.append(cam[b, chosen[b]] if chosen[b] is not None else torch.zeros_like(cam[b, 0]))
    return torch.stack(maps)[:, None]


def larger(maps, images):
    return F.interpolate(maps, size=images.shape[2:], mode="bilinear", align_corners=False)


def softly_erased(images, cam, chosen):
    mask = F.relu(larger(map_of(cam, chosen), images))
    return images * (1 - mask / (mask.max() + 1e-5))


def hard_erased(images, cam, chosen, threshold):
    mask = larger(F.relu(map_of(cam.detach(), chosen)), images)
    return images * (mask / (mask.amax((1, 2, 3), keepdim=True) + 1e-5) <= threshold)


def without(tags, chosen):
    left = tags.clone()
    for b, c in enumerate(chosen):
        if c is not None:
            left[b, c] = 0
    return left


class Learner:
    def __init__(self, weights, settings, frozen):
        self.settings, self.velocity = settings, {}
        self.weights = {n: p for n, p in weights.items() if p.requires_grad and not (frozen and ".1." in n or frozen and "bn1" in n)}

    def update(self, loss, factor):
        names = list(self.weights)
        gradients = dict(zip(names, torch.autograd.grad(loss, [self.weights[n] for n in names])))
        norm = torch.sqrt(sum((g * g).sum() for g in gradients.values()))
        clip = self.settings["clip_norm"]
        scale = 1 if clip is None else min(1, clip / (norm.item() + 1e-6))
        with torch.no_grad():
            for name, parameter in self.weights.items():
                decay = self.settings["weight_decay"] if name.endswith("weight") else 0
                direction = gradients[name] * scale + decay * parameter
                mu = self.settings["momentum"]
                if mu > 0:
                    direction = direction + mu * self.velocity[name] if name in self.velocity else direction
                    self.velocity[name] = direction
                rate = self.settings["lr"] * (1 if name.startswith("backbone") else self.settings["lr_head_multiplier"])
                parameter.sub_(rate * factor * direction)
        return norm.item()


def run(settings):
    full = training.merged(DEFAULTS, settings)
    puzzle, pnoc, smoothing = full["puzzle"], full["pnoc"], full["label_smoothing"]
    generator = network("")
    learner = Learner(generator, full, False)
    second = None
    if full["method"] == "pnoc":
        second = network("second.")
        second_learner = Learner(second, full, True)
    draws, steps = training.Draws("erasure"), []
    for step in range(STEPS):
        t, factor = step / STEPS, 1 - step / STEPS
        images, tags = images_of(step)
        logits, cam = forward(generator, images, True)
        pieces = put_together(forward(generator, tiles_of(images), True)[1])
        losses = {
            "classification": soft_margin(logits, tags, smoothing),
            "tiles": soft_margin(pieces.mean((2, 3)), tags, smoothing),
            "reconstruction": reconstruction(cam, pieces, tags),
        }
        alpha = min(puzzle["weight"] * t / puzzle["ramp"], puzzle["weight"])
        total = losses["classification"] + losses["tiles"] + alpha * losses["reconstruction"]
        if second is None:
            norm = learner.update(total, factor)
        else:
            chosen = []
            for b in range(BATCH):
                present = [c for c in range(CLASSES) if tags[b, c] > 0]
                chosen.append(present[draws.int(len(present))] if present else None)
            judged, _ = forward(second, softly_erased(images, cam, chosen), False)
            losses["erasure"] = soft_margin(judged, without(tags, chosen), smoothing)
            shown = hard_erased(images, cam, chosen, pnoc["threshold"])
            norm = learner.update(total + training.ramp(pnoc["erasure_weight"], t) * losses["erasure"], factor)
            losses["ordinary"] = soft_margin(forward(second, shown, False)[0], tags, smoothing)
            weight = training.ramp(pnoc["ordinary_weight"], t)
            total = total + training.ramp(pnoc["erasure_weight"], t) * losses["erasure"] + weight * losses["ordinary"]
            norm = (norm**2 + second_learner.update(weight * losses["ordinary"], factor) ** 2) ** 0.5
        steps.append(
            {
                "losses": {name: loss.item() for name, loss in losses.items()},
                "total": total.item(),
                "norm": norm,
                "model": {n: training.summary(p, 2) for n, p in generator.items()},
                **({} if second is None else {"ordinary": {n: training.summary(p, 2) for n, p in second.items()}}),
            }
        )
    return {"pretrain": settings, "steps": steps}


def filled(name, shape, scale=4.0, shift=-2.0):
    """As fillInput of test/helpers/fill.ts; with 2 and -1 as fillGradient."""
    values = training.uniform(name, int(training.np.prod(shape))) * 2**32 * (scale / 2**32) + shift
    return torch.tensor(values.astype(training.np.float32)).double().reshape(shape)


def flat(tensor):
    return {"shape": list(tensor.shape), "data": [float(f"{v:.10g}") for v in tensor.detach().flatten().tolist()]}


def terms():
    images, cam = filled("images", (3, 3, 8, 12)), filled("cam", (3, 4, 4, 6)).requires_grad_()
    pieces, chosen = filled("pieces", (3, 4, 4, 6)).requires_grad_(), [2, None, 0]
    tags = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]], dtype=torch.float64)
    again = reconstruction(cam, pieces, tags)
    grads = torch.autograd.grad(again, [cam, pieces])
    ones = torch.ones_like(images[:, :1])
    hard = {t: hard_erased(ones, cam, chosen, t).flatten() for t in (0.2, 0.6)}
    soft = softly_erased(images, cam, chosen)
    upstream = filled("upstream", tuple(soft.shape), 2.0, -1.0)
    (soft_grad,) = torch.autograd.grad((soft * upstream).sum(), cam)
    return {
        "tags": tags.tolist(),
        "chosen": chosen,
        "reconstruction": {"loss": again.item(), "grad_cam": flat(grads[0]), "grad_pieces": flat(grads[1])},
        "soft": {"images": flat(soft), "grad_cam": flat(soft_grad)},
        "hard": [{"threshold": t, "erased": (kept == 0).nonzero()[:, 0].tolist()} for t, kept in hard.items()],
    }


if __name__ == "__main__":
    cases = {name: run(settings) for name, settings in CASES.items()}
    out = {"torch": torch.__version__, "steps": STEPS, "batch": BATCH, "size": SIZE, "classes": CLASSES, "tag_rows": training.TAGS}
    text = json.dumps({**out, "terms": terms(), "cases": cases}, separators=(",", ":"))
    (HERE / "starts.json").write_text(text + "\n")
