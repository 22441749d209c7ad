"""Multiply-adds of a network, counted from the shapes of its convolutions, and the device's own matmul peak."""
import time
from typing import Dict, List

import torch
from torch import nn


class MacCounter:
    """Counts the multiply-adds of one forward pass: `outputs * inputs per output`, transposed convolutions likewise."""

    def __init__(self, model: nn.Module) -> None:
        self.forward = 0
        self.first = 0
        self.hooks: List[torch.utils.hooks.RemovableHandle] = []
        for module in model.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                self.hooks.append(module.register_forward_hook(self.count))

    def count(self, module: nn.Module, inputs, output: torch.Tensor) -> None:
        assert isinstance(module, (nn.Conv3d, nn.ConvTranspose3d))
        taps = 1
        for k in module.kernel_size:
            taps *= k
        if isinstance(module, nn.ConvTranspose3d):
            macs = inputs[0].numel() * module.out_channels * taps
        else:
            macs = output.numel() * module.in_channels * taps
        self.first = self.first or macs
        self.forward += macs

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()

    @property
    def step(self) -> int:
        """Forward, data gradient and weight gradient; the first convolution needs no data gradient."""
        return 3 * self.forward - self.first


def parameter_count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def matmul_peak(device: torch.device, dtype: torch.dtype) -> Dict[str, float]:
    """Best rate of square matrix products, GFLOP/s, with the switches for TF32 as they are."""
    n = 8192 if device.type == "cuda" else 1024
    a = torch.randn(n, n, device=device).to(dtype)
    b = torch.randn(n, n, device=device).to(dtype)
    best = float("inf")
    for _ in range(12):
        synchronize(device)
        started = time.perf_counter()
        torch.mm(a, b)
        synchronize(device)
        best = min(best, time.perf_counter() - started)
    return {"size": n, "gflops": 2 * n**3 / best / 1e9}


def synchronize(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
