"""
SAM's ViT-B image encoder in PyTorch, for bench/sam.ts: prints "ready", then for each line of input ("fp32" or "bf16") runs once and prints the
seconds by the clock and of all processors. The usual way to write it: whole score matrices, einsum for the relative positions.
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

DIM, DEPTH, HEADS, WINDOW, GLOBAL, SIDE = 768, 12, 12, 14, (2, 5, 8, 11), 64


def relative(table, size):
    places = torch.arange(size)
    return table[places[:, None] - places[None, :] + size - 1]


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.proj = nn.Linear(DIM, DIM)
        self.rel_pos_h = nn.Parameter(torch.randn(2 * size - 1, DIM // HEADS) * 0.1)
        self.rel_pos_w = nn.Parameter(torch.randn(2 * size - 1, DIM // HEADS) * 0.1)

    def forward(self, x):
        b, h, w, _ = x.shape
        qkv = self.qkv(x).reshape(b, h * w, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, b * HEADS, h * w, -1).unbind(0)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(1, 2)
        grid = q.reshape(b * HEADS, h, w, -1)
        vertical = torch.einsum("bhwc,hkc->bhwk", grid, relative(self.rel_pos_h, h))
        horizontal = torch.einsum("bhwc,wkc->bhwk", grid, relative(self.rel_pos_w, w))
        scores = scores.view(-1, h, w, h, w) + vertical[..., None] + horizontal[..., None, :]
        y = scores.view(-1, h * w, h * w).softmax(-1) @ v
        return self.proj(y.view(b, HEADS, h, w, -1).permute(0, 2, 3, 1, 4).reshape(b, h, w, -1))


class Block(nn.Module):
    def __init__(self, windowed):
        super().__init__()
        self.windowed = windowed
        self.norm1 = nn.LayerNorm(DIM, eps=1e-6)
        self.attn = Attention(WINDOW if windowed else SIDE)
        self.norm2 = nn.LayerNorm(DIM, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x):
        y = self.norm1(x)
        if self.windowed:
            more = -SIDE % WINDOW
            n = (SIDE + more) // WINDOW
            y = F.pad(y, (0, 0, 0, more, 0, more)).view(-1, n, WINDOW, n, WINDOW, DIM)
            y = self.attn(y.permute(0, 1, 3, 2, 4, 5).reshape(-1, WINDOW, WINDOW, DIM))
            y = y.view(-1, n, n, WINDOW, WINDOW, DIM).permute(0, 1, 3, 2, 4, 5)
            y = y.reshape(-1, SIDE + more, SIDE + more, DIM)[:, :SIDE, :SIDE]
        else:
            y = self.attn(y)
        x = x + y
        return x + self.mlp(self.norm2(x))


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, DIM, 16, 16)
        self.positions = nn.Parameter(torch.randn(1, SIDE, SIDE, DIM) * 0.1)
        self.blocks = nn.ModuleList(Block(i not in GLOBAL) for i in range(DEPTH))
        self.neck = nn.Sequential(
            nn.Conv2d(DIM, 256, 1, bias=False),
            ChannelNorm(256, eps=1e-6),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            ChannelNorm(256, eps=1e-6),
        )

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))


torch.manual_seed(0)
torch.set_grad_enabled(False)
torch.set_num_threads(int(sys.argv[1]))
encoder = Encoder().eval()
image = torch.randn(1, 3, 16 * SIDE, 16 * SIDE)
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    with torch.autocast("cpu", torch.bfloat16, enabled=line.strip() == "bf16"):
        start, before = time.perf_counter(), time.process_time()
        encoder(image)
        print(time.perf_counter() - start, time.process_time() - before, flush=True)
