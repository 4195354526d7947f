"""Writes small networks with PyTorch's ONNX exporter, and nets.json: what PyTorch computes of one picture.

python nets.py FOLDER, with torch and onnx; the files are those that tests/golden.rs includes.
"""

import json
import math
import sys
import warnings

import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore")


def conv_norm(inputs, outputs, kernel, stride, padding, groups=1, act=None):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([act] if act else []))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return x * F.hardsigmoid(self.expand(F.relu(self.reduce(self.pool(x)))))


class MobileNetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8, 3, 2, 1, act=nn.Hardswish())
        self.block = nn.Sequential(
            conv_norm(8, 16, 1, 1, 0, act=nn.ReLU()),
            conv_norm(16, 16, 5, 2, 2, groups=16),
            SqueezeExcite(16),
            nn.Hardswish(),
            conv_norm(16, 8, 1, 1, 0),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Linear(8, 16), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(16, 8))

    def forward(self, x):
        return self.head(torch.flatten(self.pool(self.block(self.stem(x))), 1))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8, 7, 2, 3, act=nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.block = nn.Sequential(conv_norm(8, 16, 3, 2, 1, act=nn.ReLU()), conv_norm(16, 16, 3, 1, 1))
        self.shortcut = conv_norm(8, 16, 1, 2, 0)
        self.head, self.neck = nn.Linear(16, 8), nn.BatchNorm1d(8)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = F.relu(self.block(x) + self.shortcut(x))
        return F.normalize(self.neck(self.head(x.mean([2, 3]))))


class MobileFaceNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(3, 8, 3, 2, 1, act=nn.PReLU(8)),
            conv_norm(8, 8, 3, 1, 1, groups=8, act=nn.PReLU(8)),
            conv_norm(8, 16, 1, 1, 0, act=nn.PReLU(16)),
            conv_norm(16, 16, 3, 2, 1, groups=16, act=nn.PReLU(16)),
            conv_norm(16, 16, 1, 1, 0),
        )
        self.whole = conv_norm(16, 16, (4, 2), 1, 0, groups=16)
        self.head, self.norm = nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8)

    def forward(self, x):
        x = self.whole(self.body(x))
        return self.norm(self.head(x.view(x.size(0), -1)))


class GeneralizedMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.ones(1) * 3)
        self.body, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Linear(8, 4)

    def forward(self, x):
        x = self.body(x).clamp(min=1e-6).pow(self.p)
        x = F.adaptive_avg_pool2d(x, (1, 1)).pow(1.0 / self.p)
        return self.head(x[..., 0, 0])


class Miscellany(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.groups = nn.Conv2d(8, 12, 3, 1, 1, groups=4)
        self.wide = nn.Conv2d(12, 6, (1, 3), 1, (0, 1))
        self.dilated = nn.Conv2d(12, 6, 3, 2, 2, dilation=2)
        self.head = nn.Linear(6 * 8 * 4, 5)

    def forward(self, x):
        x = F.leaky_relu(self.stem((x - 0.4) / 0.2), 0.1)
        left, right = self.groups(x).chunk(2, 1)
        x = torch.cat([right, left], 1)
        x = F.avg_pool2d(self.wide(x), 2) + self.dilated(x)
        return self.head(F.hardtanh(x).flatten(1))


def awake(network):
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.uniform_(-0.3, 0.3)
            layer.running_mean.uniform_(-0.3, 0.3)
            layer.running_var.uniform_(0.5, 1.5)
        if isinstance(layer, nn.PReLU):
            layer.weight.data.uniform_(0.1, 0.4)
    return network.eval()


def picture(height, width):
    """As `pictures` in tests/mod.rs makes it, prepared ImageNet's way."""
    value = lambda at: (math.sin(at * 12.9898) * 43758.5453) % 1.0
    pixels = torch.tensor([int(value(at) * 256) for at in range(height * width * 3)]).double()
    pixels = pixels.reshape(1, height, width, 3).permute(0, 3, 1, 2) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pixels - mean.reshape(1, 3, 1, 1)) / deviation.reshape(1, 3, 1, 1)).float()


CASES = {
    "r18": (ResNet18, (32, 16), (11,)),
    "v3": (MobileNetV3, (32, 16), (11, 17)),
    "mfn": (MobileFaceNet, (16, 8), (11, 17)),
    "gem": (GeneralizedMean, (16, 8), (13,)),
    "misc": (Miscellany, (32, 16), (17,)),
}


def main(folder):
    torch.manual_seed(1)
    outputs = {}
    for name, (network, size, versions) in CASES.items():
        network, x = awake(network()), picture(*size)
        for version in versions:
            dynamic = {"x": {0: "n"}, "y": {0: "n"}}
            torch.onnx.export(network, (x,), f"{folder}/{name}_{version}.onnx", opset_version=version, dynamo=False,
                              input_names=["x"], output_names=["y"], dynamic_axes=dynamic)
            outputs[f"{name}_{version}"] = network(x)[0].tolist()
    with open(f"{folder}/nets.json", "w") as file:
        json.dump(outputs, file, indent=1)


main(sys.argv[1])
