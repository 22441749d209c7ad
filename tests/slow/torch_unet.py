"""A U-Net with nnU-Net's parameter names as plain PyTorch modules, for the tests of torch_interop_test.ts.

    torch_unet.py write SPEC.json   random weights -> checkpoint, and what the network makes of an image
    torch_unet.py run SPEC.json     checkpoint -> what the network makes of an image

SPEC: `architecture` (encoder residual or plain, inputChannels, outputChannels, features, kernels, strides, blocks, decoderConvs),
`checkpoint` (.pth), `root` (further entries of the checkpoint), `seed`; `image` and `output` (files of little-endian float32) and
`shape` [N, C, D, H, W], or none of the three, where no output is wanted. Only the full-resolution output is written.
"""
import json
import sys

import numpy as np
import torch
from torch import nn


class ConvNorm(nn.Module):
    """Convolution, instance norm and perhaps LeakyReLU; parameters exist under two names, as in nnU-Net's networks."""

    def __init__(self, channels, features, kernel, stride, bias=True, active=True):
        super().__init__()
        self.conv = nn.Conv3d(channels, features, kernel, stride, [k // 2 for k in kernel], bias=bias)
        self.norm = nn.InstanceNorm3d(features, eps=1e-5, affine=True)
        layers = [self.conv, self.norm] + ([nn.LeakyReLU(0.01)] if active else [])
        self.all_modules = nn.Sequential(*layers)

    def forward(self, x):
        return self.all_modules(x)


class ConvStack(nn.Module):
    def __init__(self, channels, features, kernel, stride, count):
        super().__init__()
        sizes = [channels] + [features] * (count - 1)
        self.convs = nn.Sequential(
            *[ConvNorm(n, features, kernel, stride if i == 0 else [1, 1, 1]) for i, n in enumerate(sizes)]
        )

    def forward(self, x):
        return self.convs(x)


class ResidualBlock(nn.Module):
    def __init__(self, channels, features, kernel, stride):
        super().__init__()
        self.conv1 = ConvNorm(channels, features, kernel, stride)
        self.conv2 = ConvNorm(features, features, kernel, [1, 1, 1], active=False)
        ways = [nn.AvgPool3d(stride, stride)] if max(stride) > 1 else []
        if channels != features:
            ways.append(ConvNorm(channels, features, [1, 1, 1], [1, 1, 1], bias=False, active=False))
        self.skip = nn.Sequential(*ways)

    def forward(self, x):
        return nn.functional.leaky_relu(self.conv2(self.conv1(x)) + self.skip(x), 0.01)


class ResidualStage(nn.Module):
    def __init__(self, channels, features, kernel, stride, count):
        super().__init__()
        sizes = [channels] + [features] * (count - 1)
        self.blocks = nn.Sequential(
            *[ResidualBlock(n, features, kernel, stride if i == 0 else [1, 1, 1]) for i, n in enumerate(sizes)]
        )

    def forward(self, x):
        return self.blocks(x)


class Encoder(nn.Module):
    def __init__(self, a):
        super().__init__()
        residual = a["encoder"] == "residual"
        channels, stages = a["inputChannels"], []
        if residual:
            self.stem = ConvStack(channels, a["features"][0], a["kernels"][0], [1, 1, 1], 1)
            channels = a["features"][0]
        for features, kernel, stride, count in zip(a["features"], a["kernels"], a["strides"], a["blocks"]):
            make = ResidualStage if residual else ConvStack
            stage = make(channels, features, kernel, stride, count)
            stages.append(stage if residual else nn.Sequential(stage))
            channels = features
        self.stages = nn.Sequential(*stages)

    def forward(self, x):
        if hasattr(self, "stem"):
            x = self.stem(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class Decoder(nn.Module):
    def __init__(self, encoder, a):
        super().__init__()
        self.encoder = encoder
        features, stages, ups, heads = a["features"], [], [], []
        for j, count in enumerate(a["decoderConvs"]):
            level = len(features) - 2 - j
            stride = a["strides"][level + 1]
            ups.append(nn.ConvTranspose3d(features[level + 1], features[level], stride, stride))
            stages.append(ConvStack(2 * features[level], features[level], a["kernels"][level], [1, 1, 1], count))
            heads.append(nn.Conv3d(features[level], a["outputChannels"], 1))
        self.stages = nn.ModuleList(stages)
        self.transpconvs = nn.ModuleList(ups)
        self.seg_layers = nn.ModuleList(heads)

    def forward(self, found):
        x = found[-1]
        for up, stage, skip in zip(self.transpconvs, self.stages, found[-2::-1]):
            x = stage(torch.cat((up(x), skip), 1))
        return self.seg_layers[-1](x)


class UNet(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.encoder = Encoder(a)
        self.decoder = Decoder(self.encoder, a)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def write_output(network, spec):
    image = np.fromfile(spec["image"], "<f4").reshape(spec["shape"])
    with torch.no_grad():
        output = network(torch.from_numpy(image))
    output.contiguous().numpy().astype("<f4").tofile(spec["output"])


def main():
    command, path = sys.argv[1:]
    with open(path) as f:
        spec = json.load(f)
    torch.set_num_threads(1)
    torch.manual_seed(spec["seed"])
    network = UNet(spec["architecture"])
    if command == "write":
        for name, parameter in network.named_parameters():
            if ".norm." in name:  # away from 1 and 0, so that mistakes in them show
                nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.2)
        torch.save({"network_weights": network.state_dict(), **spec["root"]}, spec["checkpoint"])
    else:
        checkpoint = torch.load(spec["checkpoint"], map_location="cpu")
        network.load_state_dict(checkpoint["network_weights"], strict=True)
    if "image" in spec:
        write_output(network, spec)


main()
