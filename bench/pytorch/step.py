#!/usr/bin/env python3
"""Times the S3D pre-training step in PyTorch, for use beside `spark3d bench --step`.

    python3 step.py --patch 160 --micro 1 --precision amp --device cuda
    python3 step.py --check FOLDER    compares network, gradients and a training run with recorded values

Needs PyTorch 1.13 or newer and numpy, nothing else.
"""
import argparse
import json
import math
import platform
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

import torch

from golden import check_golden, norms
from network import Architecture, PRESETS, S3D, hidden_mse
from optimizer import Optimizer
from work import MacCounter, matmul_peak, parameter_count, synchronize

PRECISIONS = ("fp32", "tf32", "amp")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the S3D pre-training step in PyTorch.")
    parser.add_argument("--patch", type=int, default=160, help="patch edge, voxels (default: 160)")
    parser.add_argument("--block", type=int, default=16, help="edge of a mask block, voxels (default: 16)")
    parser.add_argument("--ratio", type=float, default=0.75, help="share of hidden blocks (default: 0.75)")
    parser.add_argument("--batch", type=int, help="patches of one step (default: --micro)")
    parser.add_argument("--micro", type=int, default=1, help="patches computed at once (default: 1)")
    parser.add_argument("--widths", default="resenc-l", help=f"{', '.join(PRESETS)}, or features such as 32,64,128")
    parser.add_argument("--blocks", help="residual blocks of each stage, with features (default: 1 each)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--norm", choices=("gather", "dense"), default="gather", help="masked norm")
    parser.add_argument("--channels-last", action="store_true", help="channels-last memory format")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=10, help="timed steps (default: 10)")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before (default: 3)")
    parser.add_argument("--profile", action="store_true", help="the five longest kernels of one more step")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="compare with recorded values and stop")
    arguments = parser.parse_args()
    arguments.batch = arguments.batch or arguments.micro
    if arguments.batch % arguments.micro:
        parser.error(f"--batch {arguments.batch} is not a multiple of --micro {arguments.micro}")
    if arguments.precision == "tf32" and not arguments.device.startswith("cuda"):
        parser.error("tf32 is a mode of CUDA devices: choose fp32 or amp")
    coarsest = 2 ** (len(architecture(arguments).features) - 1)
    multiple = math.lcm(coarsest, arguments.block)
    if arguments.patch % multiple or arguments.patch == coarsest:
        wanted = f"a multiple of {multiple}, above {coarsest}"
        parser.error(f"Cannot use --patch {arguments.patch} with this network and --block: wanted {wanted}")
    return arguments


def architecture(arguments: argparse.Namespace) -> Architecture:
    if arguments.widths in PRESETS:
        return PRESETS[arguments.widths]
    features = [int(n) for n in arguments.widths.split(",")]
    blocks = [int(n) for n in arguments.blocks.split(",")] if arguments.blocks else [1] * len(features)
    return Architecture.isotropic(features, blocks)


def draw_mask(count: int, cells: int, ratio: float, device: torch.device) -> torch.Tensor:
    """Block masks of `cells`^3: `floor(ratio * cells^3)` hidden (0) cells of each sample, drawn without replacement."""
    total = cells**3
    order = torch.rand(count, total, device=device).argsort(dim=1)
    return (order >= int(ratio * total)).float().view(count, 1, cells, cells, cells)


class Step:
    """Network, optimizer and data of a timed run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.device = torch.device(arguments.device)
        cuda = self.device.type == "cuda"
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = arguments.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
        self.autocast_dtype = torch.float16 if cuda else torch.bfloat16  # what CPU autocast offers
        self.dtype = self.autocast_dtype if arguments.precision == "amp" else torch.float32
        torch.manual_seed(0)
        self.model = S3D(architecture(arguments)).to(self.device)
        for norm in norms(self.model):
            norm.method = arguments.norm
        if arguments.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last_3d)
        self.optimizer = Optimizer(self.model, 1e-4, scale_loss=arguments.precision == "amp" and cuda)
        size = (arguments.micro, 1) + (arguments.patch,) * 3
        self.patches = torch.randn(size, device=self.device)

    def forward(self) -> torch.Tensor:
        a = self.arguments
        mask = draw_mask(a.micro, a.patch // a.block, a.ratio, self.device)
        with torch.autocast(self.device.type, dtype=self.autocast_dtype, enabled=a.precision == "amp"):
            prediction, visible = self.model(self.patches, mask)
        return hidden_mse(prediction, self.patches, visible)

    def run(self) -> float:
        """One optimizer step; returns the last loss."""
        accumulate = self.arguments.batch // self.arguments.micro
        self.optimizer.start(1e-4)
        loss = torch.zeros(())
        for _ in range(accumulate):
            loss = self.forward() / accumulate
            self.optimizer.backward(loss)
        self.optimizer.finish()
        return float(loss.detach())

    def timed(self) -> float:
        synchronize(self.device)
        started = time.perf_counter()
        self.run()
        synchronize(self.device)
        return time.perf_counter() - started

    def timed_forward(self) -> float:
        """A forward pass that keeps what its backward would need."""
        synchronize(self.device)
        started = time.perf_counter()
        loss = self.forward()
        synchronize(self.device)
        seconds = time.perf_counter() - started
        del loss
        return seconds


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor that has no name there
        return platform.processor() or platform.machine()


def longest_kernels(step: Step, count: int = 5) -> List[Dict[str, object]]:
    """Kernels (on a CPU: operations) of one step by their own time."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if step.device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        step.run()
        synchronize(step.device)

    def own_us(event) -> float:
        if step.device.type == "cuda":
            newer = getattr(event, "self_device_time_total", None)  # its name since PyTorch 2.4
            return newer if newer is not None else event.self_cuda_time_total
        return event.self_cpu_time_total

    events = sorted(profile.key_averages(), key=own_us, reverse=True)[:count]
    return [{"kernel": e.key, "ms": own_us(e) / 1e3, "calls": e.count} for e in events]


def measure(arguments: argparse.Namespace) -> Dict[str, object]:
    step = Step(arguments)
    device = step.device
    cuda = device.type == "cuda"
    peak = matmul_peak(device, step.dtype)
    counter = MacCounter(step.model)
    with torch.no_grad():
        step.forward()
    counter.remove()
    for _ in range(arguments.warm_up):
        step.timed()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = [step.timed() for _ in range(arguments.steps)]
    memory: Optional[int] = torch.cuda.max_memory_allocated(device) if cuda else None
    forward = [step.timed_forward() for _ in range(max(3, arguments.steps // 2))]
    accumulate = arguments.batch // arguments.micro
    flop = 2 * counter.step * accumulate
    median = statistics.median(seconds)
    return {
        "library": "PyTorch",
        "version": torch.__version__,
        "device": device_name(device),
        "threads": None if cuda else torch.get_num_threads(),
        "precision": arguments.precision,
        "dtype": str(step.dtype).replace("torch.", ""),
        "patch": arguments.patch,
        "block": arguments.block,
        "ratio": arguments.ratio,
        "batch": arguments.batch,
        "micro": arguments.micro,
        "widths": arguments.widths,
        "norm": arguments.norm,
        "channelsLast": arguments.channels_last,
        "parameters": parameter_count(step.model),
        "steps": len(seconds),
        "medianMs": median * 1e3,
        "minMs": min(seconds) * 1e3,
        "forwardMs": statistics.median(forward) * accumulate * 1e3,
        "peakBytes": memory if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peakBytesMeans": "largest allocation on the device" if cuda else "largest resident set of the process",
        "gmacForward": counter.forward * accumulate / 1e9,
        "gmacStep": counter.step * accumulate / 1e9,
        "gflops": flop / median / 1e9,
        "peakGflops": peak["gflops"],
        "shareOfPeak": flop / median / 1e9 / peak["gflops"],
        "kernels": longest_kernels(step) if arguments.profile else [],
    }


def describe(result: Dict[str, object]) -> str:
    lines = [
        f"PyTorch {result['version']} on {result['device']}, {result['precision']} ({result['dtype']})",
        f"{result['widths']} {result['patch']}^3, batch {result['batch']} of {result['micro']},"
        f" ratio {result['ratio']}",
        f"parameters   {result['parameters']:,}",
        f"step         {result['medianMs']:.1f} ms (least {result['minMs']:.1f} of {result['steps']})",
        f"forward      {result['forwardMs']:.1f} ms",
        f"peak memory  {result['peakBytes'] / 2**30:.2f} GiB ({result['peakBytesMeans']})",
        f"work         {result['gmacStep']:.1f} GMAC a step, {result['gmacForward']:.1f} forward",
        f"rate         {result['gflops']:.1f} GFLOP/s, {result['shareOfPeak'] * 100:.1f} % of a matrix product's"
        f" {result['peakGflops']:.1f}",
    ]
    return "\n".join(lines + [f"  {k['ms']:9.2f} ms  {k['calls']:5} x  {k['kernel']}" for k in result["kernels"]])


def main() -> int:
    arguments = parse_arguments()
    if arguments.check is not None:
        return 0 if check_golden(arguments.check) else 1
    result = measure(arguments)
    print(json.dumps(result) if arguments.json else describe(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
