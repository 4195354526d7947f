"""Writes osnet.json: OSNet x0.25 in PyTorch, its outputs and gradients. `python osnet.py > osnet.json`; needs torch and numpy.

Parameters and pictures come from a formula that `golden.rs` repeats, so that only results are stored.
"""
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CHANNELS = (16, 64, 96, 128)
HEIGHT, WIDTH, BATCH, EMBEDDING = 64, 32, 4, 8


class LightConvolution(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pointwise = nn.Conv2d(c, c, 1, bias=False)
        self.depthwise = nn.Conv2d(c, c, 3, 1, 1, groups=c, bias=False)
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x):
        return F.relu(self.norm(self.depthwise(self.pointwise(x))))


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(c, max(1, c // 16), 1), nn.Conv2d(max(1, c // 16), c, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        m = o // 4
        self.reduce = nn.Sequential(nn.Conv2d(i, m, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU())
        self.streams = nn.ModuleList([nn.Sequential(*[LightConvolution(m) for _ in range(k)]) for k in (1, 2, 3, 4)])
        self.gate = Gate(m)
        self.expand = nn.Sequential(nn.Conv2d(m, o, 1, bias=False), nn.BatchNorm2d(o))
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o)) if i != o else nn.Identity()

    def forward(self, x):
        y = self.reduce(x)
        return F.relu(self.expand(sum(self.gate(stream(y)) for stream in self.streams)) + self.shortcut(x))


class OSNet(nn.Module):
    def __init__(self, generalized):
        super().__init__()
        c = CHANNELS

        def layer(i, o, k=1, s=1):
            return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        self.map = nn.Sequential(
            layer(3, c[0], 7, 2), nn.MaxPool2d(3, 2, 1),
            Block(c[0], c[1]), Block(c[1], c[1]), layer(c[1], c[1]), nn.AvgPool2d(2, 2),
            Block(c[1], c[2]), Block(c[2], c[2]), layer(c[2], c[2]), nn.AvgPool2d(2, 2),
            Block(c[2], c[3]), Block(c[3], c[3]), layer(c[3], c[3]))
        self.exponent = nn.Parameter(torch.tensor([3.0])) if generalized else None
        self.head, self.neck = nn.Linear(c[3], EMBEDDING), nn.BatchNorm1d(EMBEDDING)

    def forward(self, x):
        x = self.map(x)
        if self.exponent is None:
            x = x.mean((2, 3))
        else:
            x = x.clamp(min=1e-6).pow(self.exponent).mean((2, 3)).pow(1 / self.exponent)
        raw = self.head(x)
        return raw, self.neck(raw)


def noise(number, count):
    """In −1..1."""
    value = np.sin(number * 1.7 + np.arange(count) * 12.9898) * 43758.5453
    return 2 * (value - np.floor(value)) - 1


def modules(net):
    """All modules that hold parameters, in the order in which our builder adds them."""
    for part in net.map:
        if isinstance(part, Block):
            for child in (part.reduce, part.streams, part.gate, part.expand, part.shortcut):
                yield from (m for m in child.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d)))
        else:
            yield from (m for m in part.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d)))


def ours(t):
    """A weight in our layout: [kh, kw, in, out], [kh, kw, channels], [in, out]; a vector as it is."""
    if t.dim() == 2:
        return t.t()
    if t.dim() < 4:
        return t
    return t.squeeze(1).permute(1, 2, 0) if t.shape[1] == 1 and t.shape[2] > 1 else t.permute(2, 3, 1, 0)


def parameters(net):
    """(number in our graph, tensor, middle of its values)"""
    number = 0
    for m in modules(net):
        if isinstance(m, nn.Conv2d):
            yield from [(number, m.weight, None)] + ([(number + 1, m.bias, 0)] if m.bias is not None else [])
            number += 1 + (m.bias is not None)
        else:
            yield from [(number, m.weight, 1), (number + 1, m.bias, 0)]
            number += 4
    if net.exponent is not None:
        yield number, net.exponent, 3
        number += 1
    yield from [(number, net.head.weight, None), (number + 1, net.head.bias, 0), (number + 2, net.neck.weight, 1)]


def case(generalized):
    net = OSNet(generalized).double()
    net.neck.bias.requires_grad = False
    with torch.no_grad():
        for number, tensor, middle in parameters(net):
            view = ours(tensor)
            fan_in = view.numel() // view.shape[-1]
            values = noise(number, view.numel()) * ((6 / fan_in) ** 0.5 if middle is None else 0.3) + (middle or 0)
            view.copy_(torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(view.shape)))
    pixels = np.floor((noise(1000, BATCH * HEIGHT * WIDTH * 3) + 1) * 128).clip(0, 255)
    x = torch.from_numpy(((pixels - 128) / 64).reshape(BATCH, HEIGHT, WIDTH, 3)).permute(0, 3, 1, 2)
    raw, embedding = net(x)
    d_raw, d_embedding = [torch.from_numpy(noise(seed, raw.numel()).astype(np.float32)).reshape(raw.shape) for seed in (1001, 1002)]
    ((d_raw * raw).sum() + (d_embedding * embedding).sum()).backward()
    gradients = []
    for number, tensor, _ in parameters(net):
        gradient = ours(tensor.grad).reshape(-1).numpy()
        gradients.append([number, float(gradient @ noise(2000 + number, gradient.size)), float(np.linalg.norm(gradient))])
    rounded = lambda values: [float(f"{value:.7g}") for value in values]
    return {
        "network": "osnet_x0.25_gem" if generalized else "osnet_x0.25",
        "raw": rounded(raw.reshape(-1).tolist()), "embedding": rounded(embedding.reshape(-1).tolist()),
        "gradients": [[g[0], *rounded(g[1:])] for g in gradients],
    }


print("[" + ",\n".join(json.dumps(case(generalized)) for generalized in (False, True)) + "]")
