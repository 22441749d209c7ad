"""Compares the network and a training run with recorded values (`step.py --check FOLDER`)."""
import json
import struct
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from network import Architecture, LevelMask, MaskedInstanceNorm, S3D, apply_mask, hidden_mse
from optimizer import Optimizer

TYPES = {"F32": np.float32, "I64": np.int64, "U8": np.uint8}


class Group:
    """A folder of recorded cases: a manifest and safetensors files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.files: Dict[str, Tuple[dict, bytes]] = {}

    def tensor(self, ref: dict) -> Tensor:
        if ref["file"] not in self.files:
            data = (self.folder / ref["file"]).read_bytes()
            (length,) = struct.unpack("<Q", data[:8])
            self.files[ref["file"]] = (json.loads(data[8 : 8 + length]), data[8 + length :])
        header, body = self.files[ref["file"]]
        entry = header[ref["key"]]
        begin, end = entry["data_offsets"]
        values = np.frombuffer(body[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        return torch.from_numpy(values.copy())


class Checker:
    """Counts comparisons and prints the failed ones."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: List[str] = []

    def record(self, name: str, ok: bool, detail: str) -> None:
        if ok:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {detail}")

    def close(self, name: str, found: Tensor, wanted: Tensor, tolerance: dict) -> None:
        """`|found - wanted| <= atol + rtol |wanted|` everywhere."""
        if found.shape != wanted.shape:
            return self.record(name, False, f"shape {tuple(found.shape)}, wanted {tuple(wanted.shape)}")
        difference = (found.detach() - wanted).abs()
        allowed = tolerance["atol"] + tolerance["rtol"] * wanted.abs()
        worst = float((difference / allowed.clamp_min(1e-30)).max()) if wanted.numel() else 0.0
        self.record(name, worst <= 1, f"off by {worst:.2f} of the tolerance")


def architecture_of(recorded: dict) -> Architecture:
    tuples = [[tuple(axis) for axis in recorded[key]] for key in ("kernel_sizes", "strides")]
    return Architecture(recorded["features_per_stage"], recorded["n_blocks_per_stage"], *tuples)


def recorded_name(name: str) -> str:
    """Name of the tensor that takes part: the encoder's `all_modules.*`, behind `architecture.`."""
    if name.startswith("encoder."):
        name = name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1.")
    return f"architecture.{name}" if name.startswith(("encoder.", "decoder.")) else name


def load_network(group: Group, network: dict) -> S3D:
    """The recorded network with its weights; the recorded one sees the unmasked image at its stem."""
    model = S3D(architecture_of(network["architecture"]), mask_input=False)
    state = {}
    for name in model.state_dict():
        key = recorded_name(name)
        state[name] = group.tensor(network["tensors"][network.get("copies", {}).get(key, key)])
    model.load_state_dict(state)
    return model


def norms(model: nn.Module) -> Iterator[MaskedInstanceNorm]:
    return (module for module in model.modules() if isinstance(module, MaskedInstanceNorm))


def check_ops(group: Group, check: Checker, method: str) -> None:
    """Sparse convolution, norm and pooling with their gradients."""
    for case in group.manifest["cases"]:
        attributes = case["attributes"]
        if case["op"] not in ("sparse_conv3d", "sparse_instance_norm3d", "sparse_avg_pool3d"):
            continue
        tensors = {name: group.tensor(ref) for name, ref in case["inputs"].items()}
        x = tensors["x"].requires_grad_()
        leaves = {"grad_x": x}
        for name in ("weight", "bias"):
            if name in tensors:
                leaves[f"grad_{name}"] = tensors[name].requires_grad_()
        if case["op"] == "sparse_instance_norm3d":
            norm = MaskedInstanceNorm(x.shape[1], affine=False)
            norm.method = method
            norm.weight, norm.bias = (
                nn.Parameter(tensors[n]) if n in tensors else None for n in ("weight", "bias")
            )
            leaves.update({f"grad_{n}": p for n, p in norm.named_parameters()})
            y = norm(x, LevelMask.expand(tensors["mask"], x.shape[2:]))
        elif case["op"] == "sparse_conv3d":
            y = nn.functional.conv3d(
                x, tensors["weight"], tensors.get("bias"), attributes["stride"], attributes["padding"]
            )
            y = apply_mask(y, LevelMask.expand(tensors["mask"], y.shape[2:]))
        else:
            y = nn.functional.avg_pool3d(x, attributes["kernel"], attributes["stride"])
            y = apply_mask(y, LevelMask.expand(tensors["mask"], y.shape[2:]))
        y.backward(tensors["grad_output"])
        # where the reference mixes samples with unequal counts, the intended values are recorded too
        mixed = case["id"] == "in_unequal_counts_mixed"
        for name, found in {"y": y, **{n: leaf.grad for n, leaf in leaves.items()}}.items():
            ref = case["outputs"].get(name)
            if ref is None or found is None:
                continue
            wanted = case["outputs"].get(f"{name}_intended_f64") if mixed else ref
            if wanted is not None:
                check.close(f"{case['id']} {name}", found, group.tensor(wanted), ref["tolerance"])


def check_steps(group: Group, check: Checker, method: str) -> None:
    """Reconstruction, loss and every gradient of recorded S3D steps."""
    for case in group.manifest["cases"]:
        if case["op"] != "spark3d_step":
            continue
        network = group.manifest["networks"][case["attributes"]["network"]]
        if not any(key.startswith("densify_projs.") for key in network["tensors"]):
            continue  # variants without tokens or densification
        model = load_network(group, network)
        for norm in norms(model):
            norm.method = method
        x, mask = (group.tensor(case["inputs"][name]) for name in ("x", "mask"))
        prediction, visible = model(x, mask)
        loss = hidden_mse(prediction, x, visible)
        loss.backward()
        outputs = case["outputs"]
        for name, found in (("reconstruction", prediction), ("loss", loss)):
            check.close(f"{case['id']} {name}", found, group.tensor(outputs[name]), outputs[name]["tolerance"])
        for name, parameter in model.named_parameters():
            ref = outputs.get(f"grad:{recorded_name(name)}")
            if ref is not None and parameter.grad is not None:
                check.close(f"{case['id']} grad:{name}", parameter.grad, group.tensor(ref), ref["tolerance"])
            else:
                unused = recorded_name(name) in case["attributes"]["parameters_without_gradient"]
                none = parameter.grad is None or not parameter.grad.any()
                absent = unused or ref is None or not group.tensor(ref).any()
                check.record(f"{case['id']} grad:{name}", none and absent, "only one side has a gradient")


def check_training(group: Group, check: Checker, method: str) -> None:
    """Losses, gradient norms and final weights of a recorded run of SGD."""
    for case in group.manifest["cases"]:
        attributes = case["attributes"]
        if attributes.get("loss") != "SparkLoss":
            continue
        model = load_network(group, group.manifest["networks"][attributes["network"]])
        for norm in norms(model):
            norm.method = method
        optimizer = Optimizer(model, attributes["lr0"])
        for step, lr in enumerate(case["trace"]["lr"]):
            x, mask = (group.tensor(case["inputs"][f"{name}{step}"]) for name in ("x", "mask"))
            optimizer.start(lr)
            prediction, visible = model(x, mask)
            loss = hidden_mse(prediction, x, visible)
            optimizer.backward(loss)
            total = optimizer.finish()
            for name, found in (("loss", loss), ("grad_norm", total)):
                wanted = case["trace"][f"{name}_f64"][step]
                check.record(f"{case['id']} {name} {step}", abs(float(found) - wanted) <= 1e-4 * abs(wanted),
                             f"{float(found)}, wanted {wanted}")
        for name, parameter in model.named_parameters():
            ref = case["outputs"].get(f"final:{recorded_name(name)}")
            if ref is not None:
                check.close(f"{case['id']} final:{name}", parameter, group.tensor(ref), ref["tolerance"])


def check_golden(folder: Path) -> bool:
    """Runs every comparison with both ways to normalise; prints a closing line. Returns whether all passed."""
    check = Checker()
    for method in ("gather", "dense"):
        check_ops(Group(folder / "d_sparse_ops"), check, method)
        check_steps(Group(folder / "f_spark_mae"), check, method)
        check_training(Group(folder / "g_training_traces"), check, method)
    for line in check.failed:
        print(line)
    print(f"{check.passed} passed, {len(check.failed)} failed")
    return not check.failed
