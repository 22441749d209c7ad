"""S3D's sparse masked auto-encoder around a residual-encoder U-Net, built from PyTorch's own operations.

Nothing is skipped: a sparse layer is the dense one times the mask, as in the published method. Modules are named so
that the state dict has the keys of the published checkpoints (each convolution and norm once, under `conv` and `norm`).
"""
from typing import List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-5
SLOPE = 0.01
Size = Tuple[int, int, int]


class Architecture(NamedTuple):
    """Shape of the U-Net; stage 0 has the finest resolution."""

    features: Sequence[int]
    blocks: Sequence[int]
    kernels: Sequence[Size]
    strides: Sequence[Size]

    @staticmethod
    def isotropic(features: Sequence[int], blocks: Sequence[int]) -> "Architecture":
        """Kernels of 3 and strides of 2 along every axis."""
        stages = len(features)
        return Architecture(features, blocks, [(3, 3, 3)] * stages, [(1, 1, 1)] + [(2, 2, 2)] * (stages - 1))


PRESETS = {
    "resenc-l": Architecture.isotropic((32, 64, 128, 256, 320, 320), (1, 3, 4, 6, 6, 6)),
    "demo": Architecture.isotropic((4, 8, 16, 32), (1, 1, 1, 1)),
    "tiny": Architecture.isotropic((4, 8, 12), (1, 1, 1)),
}


class LevelMask(NamedTuple):
    """Visible voxels of one resolution."""

    voxels: Tensor  # [B, 1, D, H, W], 1 visible
    count: Tensor  # [B, 1, 1, 1, 1], visible voxels of each sample
    visible: List[Tensor]  # of each sample: positions of its visible voxels in D*H*W

    @staticmethod
    def expand(mask: Tensor, size: Sequence[int]) -> Optional["LevelMask"]:
        """Repeats cells `[B, 1, d, h, w]` to `size`; None (all visible) when `size` is smaller along every axis."""
        cells = mask.shape[2:]
        if all(n < m for n, m in zip(size, cells)):
            return None
        if any(n % m for n, m in zip(size, cells)):
            raise ValueError(f"Cannot expand a mask of {tuple(cells)} to {tuple(size)}: wanted whole multiples")
        voxels = mask
        for axis, (n, m) in enumerate(zip(size, cells)):
            voxels = voxels.repeat_interleave(n // m, dim=axis + 2)
        flat = voxels.flatten(1)
        visible = [sample.nonzero().squeeze(1) for sample in flat]
        return LevelMask(voxels, voxels.sum(dim=(2, 3, 4), keepdim=True), visible)


class MaskedInstanceNorm(nn.Module):
    """Instance norm over visible voxels; hidden ones become 0.

    `gather` collects the visible voxels, normalises them with the library's kernel and scatters them back; `dense`
    computes the same from sums over the masked tensor.
    """

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.method = "gather"

    def forward(self, x: Tensor, mask: Optional[LevelMask]) -> Tensor:
        if mask is None:
            return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=EPS)
        return self.gather(x, mask) if self.method == "gather" else self.dense(x, mask)

    def gather(self, x: Tensor, mask: LevelMask) -> Tensor:
        flat = x.flatten(2)
        samples = []
        for values, at in zip(flat, mask.visible):
            kept = F.instance_norm(values.index_select(1, at)[None], weight=self.weight, bias=self.bias, eps=EPS)[0]
            samples.append(torch.zeros_like(values, dtype=kept.dtype).index_copy(1, at, kept))
        return torch.stack(samples).view(x.shape)

    def dense(self, x: Tensor, mask: LevelMask) -> Tensor:
        axes = (2, 3, 4)
        x = x.float()  # statistics in 32 bits under autocast
        mean = (x * mask.voxels).sum(axes, keepdim=True) / mask.count
        centred = (x - mean) * mask.voxels
        variance = (centred * centred).sum(axes, keepdim=True) / mask.count
        y = centred * torch.rsqrt(variance + EPS)
        if self.weight is None or self.bias is None:
            return y
        channels = (1, -1, 1, 1, 1)
        return (y * self.weight.view(channels) + self.bias.view(channels)) * mask.voxels


def apply_mask(x: Tensor, mask: Optional[LevelMask]) -> Tensor:
    """Zero in hidden voxels."""
    return x if mask is None else x * mask.voxels.to(x.dtype)


def conv3d(inputs: int, outputs: int, kernel: Size, stride: Size = (1, 1, 1), bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, kernel, stride, tuple((k - 1) // 2 for k in kernel), bias=bias)


class ConvNorm(nn.Module):
    """Convolution times mask, masked norm, and LeakyReLU unless `activate` is false."""

    def __init__(self, conv: nn.Conv3d, activate: bool = True) -> None:
        super().__init__()
        self.conv = conv
        self.norm = MaskedInstanceNorm(conv.out_channels)
        self.activate = activate

    def forward(self, x: Tensor, mask: Optional[LevelMask]) -> Tensor:
        y = self.norm(apply_mask(self.conv(x), mask), mask)
        return F.leaky_relu(y, SLOPE, inplace=True) if self.activate else y


class ResidualBlock(nn.Module):
    """BasicBlockD: two convolutions beside average pooling and a 1x1x1 projection where shapes differ."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.conv1 = ConvNorm(conv3d(inputs, outputs, kernel, stride))
        self.conv2 = ConvNorm(conv3d(outputs, outputs, kernel), activate=False)
        self.stride = stride
        pool = nn.Identity()  # has no tensors, but a place in the published keys
        project = ConvNorm(conv3d(inputs, outputs, (1, 1, 1), bias=False), activate=False)
        self.skip = nn.ModuleList([pool, project] if inputs != outputs else [pool])

    def forward(self, x: Tensor, mask: Optional[LevelMask]) -> Tensor:
        skip = x
        if self.stride != (1, 1, 1):
            skip = apply_mask(F.avg_pool3d(skip, self.stride, self.stride), mask)
        if len(self.skip) == 2:
            skip = self.skip[1](skip, mask)
        y = self.conv2(self.conv1(x, mask), mask)
        return F.leaky_relu(y + skip, SLOPE, inplace=True)


class Stage(nn.Module):
    def __init__(self, blocks: Sequence[ResidualBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


class ConvBlocks(nn.Module):
    """A holder of conv blocks: the stem, and each decoder stage."""

    def __init__(self, block: ConvNorm) -> None:
        super().__init__()
        self.convs = nn.ModuleList([block])

    def forward(self, x: Tensor, mask: Optional[LevelMask] = None) -> Tensor:
        return self.convs[0](x, mask)


class Encoder(nn.Module):
    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        features = shape.features
        self.stem = ConvBlocks(ConvNorm(conv3d(1, features[0], shape.kernels[0])))
        self.stages = nn.ModuleList()
        for i, count in enumerate(shape.blocks):
            first = ResidualBlock(features[max(0, i - 1)], features[i], shape.kernels[i], shape.strides[i])
            rest = [ResidualBlock(features[i], features[i], shape.kernels[i], (1, 1, 1)) for _ in range(count - 1)]
            self.stages.append(Stage([first] + rest))

    def forward(self, x: Tensor, masks: Sequence[Optional[LevelMask]]) -> List[Tensor]:
        x = self.stem(x, masks[0])
        outputs = []
        for stage, mask in zip(self.stages, masks):
            for block in stage.blocks:
                x = block(x, mask)
            outputs.append(x)
        return outputs


class Decoder(nn.Module):
    """Per level: transposed convolution, concatenation (upsampled first), conv block, head; the last head is used."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        coarse_first = list(reversed(range(len(shape.features) - 1)))
        f = shape.features
        up = [nn.ConvTranspose3d(f[k + 1], f[k], shape.strides[k + 1], shape.strides[k + 1]) for k in coarse_first]
        self.transpconvs = nn.ModuleList(up)
        convs = [ConvBlocks(ConvNorm(conv3d(2 * f[k], f[k], shape.kernels[k]))) for k in coarse_first]
        self.stages = nn.ModuleList(convs)
        self.seg_layers = nn.ModuleList([nn.Conv3d(f[k], 1, 1) for k in coarse_first])

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        x = skips[-1]
        for up, stage, skip in zip(self.transpconvs, self.stages, reversed(skips[:-1])):
            x = stage(torch.cat([up(x), skip], dim=1))
        return self.seg_layers[-1](x)


class S3D(nn.Module):
    """Encoder on visible blocks, tokens and densification at every level, decoder."""

    def __init__(self, shape: Architecture, mask_input: bool = True) -> None:
        super().__init__()
        self.shape = shape
        self.mask_input = mask_input
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        features = shape.features
        self.densify_norms = nn.ModuleList([MaskedInstanceNorm(n, affine=False) for n in features])
        projections = [conv3d(n, n, (3, 3, 3)) for n in features[1:]]
        self.densify_projs = nn.ModuleList([nn.Identity()] + projections)
        tokens = [nn.init.trunc_normal_(torch.zeros(1, n, 1, 1, 1), 0, 0.02, -0.02, 0.02) for n in features]
        self.mask_tokens = nn.ParameterList([nn.Parameter(token) for token in tokens])

    def level_masks(self, mask: Tensor, size: Sequence[int]) -> List[Optional[LevelMask]]:
        masks = []
        for stride in self.shape.strides:
            size = [n // s for n, s in zip(size, stride)]
            masks.append(LevelMask.expand(mask, size))
        return masks

    def forward(self, x: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
        """Image `[B, 1, D, H, W]` and block mask `[B, 1, d, h, w]` to reconstruction and voxel mask."""
        masks = self.level_masks(mask, x.shape[2:])
        finest = masks[0]
        if finest is None:
            raise ValueError(f"Cannot mask an image of {tuple(x.shape[2:])} with {tuple(mask.shape[2:])} cells")
        encoded = self.encoder(apply_mask(x, finest) if self.mask_input else x, masks)
        dense = []
        for k, (features, at) in enumerate(zip(encoded, masks)):
            h = self.densify_norms[k](features, at)
            if at is not None:
                h = torch.where(at.voxels == 1, h, self.mask_tokens[k].to(h.dtype))
            dense.append(self.densify_projs[k](h))
        return self.decoder(dense), finest.voxels


def hidden_mse(prediction: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Mean squared error over hidden voxels of the whole batch."""
    hidden = 1 - visible
    error = prediction.float() - target
    return (error * error * hidden).sum() / hidden.sum()
