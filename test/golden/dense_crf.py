"""A plain dense CRF in NumPy and float64 (Kraehenbuehl and Koltun 2011, on the permutohedral lattice of Adams et al. 2010), for the make scripts."""

import numpy as np


def lattice(features):
    """features [N, d] -> a function that filters values [N, L] with exp(-|f_i - f_j|^2 / 2), as the lattice approximates it."""
    n, d = features.shape
    scale = np.sqrt(2 / 3) * (d + 1) / np.sqrt((np.arange(d) + 1) * (np.arange(d) + 2))
    elevated = np.zeros((n, d + 1))
    total = np.zeros(n)
    for j in range(d, 0, -1):
        c = features[:, j - 1] * scale[j - 1]
        elevated[:, j] = total - j * c
        total += c
    elevated[:, 0] = total

    rounded = np.rint(elevated / (d + 1)).astype(np.int64)
    nearest = rounded * (d + 1)
    surplus = rounded.sum(1)
    difference = elevated - nearest
    rank = np.zeros((n, d + 1), np.int64)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            less = difference[:, i] < difference[:, j]
            rank[less, i] += 1
            rank[~less, j] += 1
    rank += surplus[:, None]
    low, high = rank < 0, rank > d
    nearest = nearest + (d + 1) * low - (d + 1) * high
    rank = rank + (d + 1) * low - (d + 1) * high

    weights = np.zeros((n, d + 2))
    rows = np.arange(n)
    for i in range(d + 1):
        t = (elevated[:, i] - nearest[:, i]) / (d + 1)
        np.add.at(weights, (rows, d - rank[:, i]), t)
        np.add.at(weights, (rows, d + 1 - rank[:, i]), -t)
    weights[:, 0] += 1 + weights[:, d + 1]
    weights = weights[:, : d + 1]

    corners = np.array([[r if j <= d - r else r - (d + 1) for j in range(d + 1)] for r in range(d + 1)])
    keys = np.stack([nearest[:, :d] + corners[r][rank[:, :d]] for r in range(d + 1)], 1)  # [N, d + 1, d]
    vertices, places = np.unique(keys.reshape(-1, d), axis=0, return_inverse=True)
    places = places.reshape(n, d + 1)
    index = {tuple(key): v for v, key in enumerate(vertices.tolist())}
    count = len(vertices)
    neighbours = []
    for j in range(d + 1):
        before, after = vertices - 1, vertices + 1
        if j < d:
            before[:, j] = vertices[:, j] + d
            after[:, j] = vertices[:, j] - d
        # The last row of values is zero: what a missing neighbour holds.
        neighbours.append([np.array([index.get(tuple(k), count) for k in side.tolist()]) for side in (before, after)])

    def apply(values):
        held = np.zeros((count + 1, values.shape[1]))
        for r in range(d + 1):
            np.add.at(held, places[:, r], weights[:, r : r + 1] * values)
        for before, after in neighbours:
            held[:count] = held[:count] + 0.5 * (held[before] + held[after])
        return sum(weights[:, r : r + 1] * held[places[:, r]] for r in range(d + 1)) / (1 + 2.0**-d)

    return apply


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def kernels(pixels, p):
    """pixels [H, W, 3] uint8 -> the two normalised kernels, each a function, with their weights."""
    height, width, _ = pixels.shape
    y, x = (each.ravel().astype(np.float64) for each in np.mgrid[:height, :width])
    colours = pixels.reshape(-1, 3).astype(np.float64)
    near = np.stack([x, y], 1) / p["gaussian_sxy"]
    alike = np.concatenate([np.stack([x, y], 1) / p["bilateral_sxy"], colours / p["bilateral_srgb"]], 1)
    found = []
    for features, weight in ((near, p["gaussian_compat"]), (alike, p["bilateral_compat"])):
        apply = lattice(features)
        norm = 1 / np.sqrt(apply(np.ones((len(features), 1))) + 1e-20)
        found.append((lambda q, a=apply, m=norm: m * a(m * q), weight))
    return found


def refine(labels, classes, both, p):
    """Mean field from a hard labeling [H, W] over the listed class ids; returns the most probable ids [H, W]."""
    ids = np.array(classes)
    assigned = labels.reshape(-1, 1) == ids[None]
    unary = np.where(assigned, -np.log(p["gt_prob"]), -np.log((1 - p["gt_prob"]) / (len(ids) - 1)))
    q = softmax(-unary)
    for _ in range(p["iterations"]):
        q = softmax(-unary + sum(weight * kernel(q) for kernel, weight in both))
    return ids[q.argmax(1)].reshape(labels.shape).astype(np.uint8)
