"""Writes operators.safetensors: single operators in PyTorch. `python operators.py operators.safetensors`; needs torch and numpy.

Every case holds its inputs (`x`, or `x0`, `x1`; `gate0` beside `x0`), parameters, the output `y`, a random `dy`, and the
gradients of Σ dy·y with respect to inputs and parameters (`d_` before the name). Activations are NHWC, weights
[kh, kw, in, out], [kh, kw, channels] and [in, out]. Computed in double precision from values of single precision.
"""
import json
import sys
import numpy as np
import torch
import torch.nn.functional as F

random = np.random.default_rng(0)
tensors = {}


def noise(*shape, middle=0.0, size=1.0):
    values = (random.uniform(-1, 1, shape) * size + middle).astype(np.float32)
    return torch.from_numpy(values.astype(np.float64)).requires_grad_()


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def keep(case, **named):
    for name, tensor in named.items():
        tensors[f"{case}/{name}"] = tensor.detach().numpy().astype("<f4")


def add(case, operator, /, statistics=lambda: {}, **leaves):
    """Runs `operator(**leaves)` and keeps all that belongs to it."""
    y = operator(**leaves)
    dy = noise(*y.shape)
    (y * dy).sum().backward()
    keep(case, y=y, dy=dy, **leaves, **{f"d_{name}": leaf.grad for name, leaf in leaves.items()}, **statistics())


def convolution(shape, out, kernel, stride, padding, bias=False):
    fan_in = kernel * kernel * shape[3]
    leaves = {"x": noise(*shape), "weight": noise(kernel, kernel, shape[3], out, size=(3 / fan_in) ** 0.5)}
    leaves |= {"bias": noise(out)} if bias else {}

    def run(x, weight, bias=None):
        return nhwc(F.conv2d(nchw(x), weight.permute(3, 2, 0, 1), bias, stride, padding))

    add(f"convolution: k{kernel} s{stride} p{padding}{' bias' if bias else ''}", run, **leaves)


def depthwise(shape, kernel, stride, bias=False):
    leaves = {"x": noise(*shape), "weight": noise(kernel, kernel, shape[3])}
    leaves |= {"bias": noise(shape[3])} if bias else {}

    def run(x, weight, bias=None):
        weight = weight.permute(2, 0, 1).unsqueeze(1)
        return nhwc(F.conv2d(nchw(x), weight, bias, stride, kernel // 2, groups=shape[3]))

    add(f"depthwise: k{kernel} s{stride} p{kernel // 2}{' bias' if bias else ''}", run, **leaves)


def matrix(case, shape, out, bias):
    leaves = {"x": noise(*shape), "weight": noise(shape[3], out, size=(3 / shape[3]) ** 0.5)}
    leaves |= {"bias": noise(out)} if bias else {}
    add(case, lambda x, weight, bias=None: F.linear(x, weight.t(), bias), **leaves)


def batch_norm(training):
    c = 5
    running = {"mean": noise(c), "variance": noise(c, middle=1.0, size=0.5)}
    moved = {name: values.detach().clone() for name, values in running.items()}
    case = "batch norm: training" if training else "batch norm: frozen"

    def run(x, gamma, beta):
        return nhwc(F.batch_norm(nchw(x), moved["mean"], moved["variance"], gamma, beta, training, 0.1, 1e-5))

    def statistics():
        return running | ({f"moved_{name}": values for name, values in moved.items()} if training else {})

    x, gamma, beta = noise(2, 4, 3, c, middle=0.5, size=2.0), noise(c, middle=1.0), noise(c)
    add(case, run, statistics, x=x, gamma=gamma, beta=beta)


def generalized_mean(case, exponent, middle):
    def run(x, exponent):
        return x.clamp(min=1e-6).pow(exponent).mean((1, 2), keepdim=True).pow(1 / exponent)

    add(case, run, x=noise(3, 3, 4, 5, middle=middle), exponent=noise(1, middle=exponent, size=0))


def channel_scale(pairs):
    leaves = {}
    for pair in range(pairs):
        leaves |= {f"x{pair}": noise(2, 3, 4, 5), f"gate{pair}": noise(2, 1, 1, 5)}
    add(f"channel scale: pairs{pairs}", lambda **all: sum(all[f"x{p}"] * all[f"gate{p}"] for p in range(pairs)), **leaves)


for extents in [(1, 1, 0), (1, 2, 0), (2, 2, 0), (3, 1, 0), (3, 1, 1), (3, 2, 1), (5, 2, 2), (7, 2, 3)]:
    convolution((2, 5, 7, 2), 3, *extents)
convolution((1, 4, 3, 5), 18, 3, 1, 1, bias=True)
for kernel in (3, 5):
    for stride in (1, 2):
        depthwise((2, 6, 5, 3), kernel, stride)
depthwise((1, 5, 4, 17), 3, 1, bias=True)
matrix("pointwise", (2, 2, 3, 19), 7, bias=False)
matrix("pointwise: bias", (1, 3, 2, 4), 33, bias=True)
matrix("fully connected: bias", (3, 1, 1, 20), 6, bias=True)
batch_norm(training=True)
batch_norm(training=False)
add("relu", lambda x: F.relu(x), x=noise(2, 3, 4, 3))
add("relu6", lambda x: F.relu6(x), x=noise(2, 3, 4, 3, middle=3.0, size=9.0))
add("sigmoid", lambda x: torch.sigmoid(x), x=noise(2, 3, 2, 3, size=6.0))
add("hard sigmoid", lambda x: F.hardsigmoid(x), x=noise(2, 3, 2, 3, size=5.0))
add("hard swish", lambda x: F.hardswish(x), x=noise(2, 3, 2, 3, size=5.0))
add("prelu", lambda x, slope: nhwc(F.prelu(nchw(x), slope)), x=noise(2, 3, 3, 4), slope=noise(4))
add("concatenation", lambda x0, x1: torch.cat([x0, x1], 3), x0=noise(2, 3, 2, 3), x1=noise(2, 3, 2, 2))
add("slice: from2", lambda x: x[..., 2:5], x=noise(2, 3, 2, 6))
add("flattening", lambda x: x.reshape(x.shape[0], 1, 1, -1), x=noise(3, 3, 2, 4))
add("add", lambda x0, x1: x0 + x1, x0=noise(2, 3, 4, 3), x1=noise(2, 3, 4, 3))
add("global average pool", lambda x: x.mean((1, 2), keepdim=True), x=noise(2, 3, 5, 4))
for kernel, stride, padding in [(2, 2, 0), (3, 1, 1), (3, 2, 1)]:
    pool = lambda x: nhwc(F.max_pool2d(nchw(x), kernel, stride, padding))
    add(f"max pool: k{kernel} s{stride} p{padding}", pool, x=noise(2, 6, 5, 3))
for kernel, stride in [(2, 2), (3, 1), (3, 2)]:
    add(f"average pool: k{kernel} s{stride}", lambda x: nhwc(F.avg_pool2d(nchw(x), kernel, stride)), x=noise(2, 6, 5, 3))
generalized_mean("generalized mean: p3", 3.0, 0.5)
generalized_mean("generalized mean: p1.5", 1.5, 0.5)
generalized_mean("generalized mean: p6.5", 6.5, 0.0)
channel_scale(1)
channel_scale(2)

header, offset = {}, 0
for name, values in tensors.items():
    header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
    offset += values.nbytes
header = json.dumps(header, separators=(",", ":")).encode()
header += b" " * (-len(header) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(len(header).to_bytes(8, "little") + header)
    file.write(b"".join(values.tobytes() for values in tensors.values()))
