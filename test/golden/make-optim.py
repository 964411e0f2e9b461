"""Writes optim.json: steps of torch.optim.SGD and AdamW in float64, clipping included.

Four groups as the method has them (weights and biases, pretrained and scratch). In step 2 the last parameter has no gradient.
"""

import json
import pathlib

import torch

SHAPES = [(2, 3), (3,), (3, 2), (2,)]
CASES = [
    {"name": "nesterov, clipped", "kind": "SGD", "options": {"momentum": 0.9, "nesterov": True}, "lr": 0.07, "wd": 0.01, "clip": 1.0},
    {"name": "momentum", "kind": "SGD", "options": {"momentum": 0.9}, "lr": 0.05, "wd": 0.01, "clip": None},
    {"name": "plain", "kind": "SGD", "options": {}, "lr": 0.1, "wd": 0.1, "clip": None},
    {"name": "small gradients under the clip", "kind": "SGD", "options": {"momentum": 0.9, "nesterov": True}, "lr": 0.007, "wd": 1e-4, "clip": 100.0},
    {"name": "adamw", "kind": "AdamW", "options": {"betas": (0.8, 0.95), "eps": 1e-6}, "lr": 0.01, "wd": 0.1, "clip": 1.0},
]


def run(case):
    torch.manual_seed(3)
    parameters = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in SHAPES]
    groups = [
        {"params": [p], "lr": case["lr"] * (10 if i >= 2 else 1), "weight_decay": case["wd"] if i % 2 == 0 else 0.0}
        for i, p in enumerate(parameters)
    ]
    optimizer = getattr(torch.optim, case["kind"])(groups, lr=case["lr"], **case["options"])
    start = [p.detach().flatten().tolist() for p in parameters]
    steps = []
    for step in range(5):
        gradients = [torch.randn(s, dtype=torch.float64) for s in SHAPES]
        if step == 2:
            gradients[-1] = None
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = None if gradient is None else gradient.clone()
        limit = float("inf") if case["clip"] is None else case["clip"]
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit).item()
        optimizer.step()
        steps.append(
            {
                "gradients": [None if g is None else g.flatten().tolist() for g in gradients],
                "norm": norm,
                "parameters": [p.detach().flatten().tolist() for p in parameters],
            }
        )
    rates = [(g["lr"], g["weight_decay"]) for g in groups]
    return {**case, "groups": rates, "start": start, "steps": steps}


out = {"torch": torch.__version__, "shapes": SHAPES, "cases": [run(case) for case in CASES]}
pathlib.Path(__file__).with_name("optim.json").write_text(json.dumps(out, indent=1) + "\n")
