/** Operations of a network as ONNX operators. */
import type { Node } from "../../kernels/graph/graph.ts";
import { type ConvAttrs, samePadding } from "../../kernels/ops/conv3d/geometry.ts";
import type { Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import type { ConvTranspose3dAttrs } from "../../kernels/ops/conv_transpose3d/op.ts";
import type { PoolAttrs } from "../../kernels/ops/pool/windows.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { Emitter } from "./emitter.ts";
import { ELEMENT_TYPES, type OnnxAttribute } from "./messages.ts";
import { normRule } from "./norm_rule.ts";

/** An attribute of whole numbers. */
const ints = (values: readonly number[]): OnnxAttribute => ({ ints: values });

function conv3d(node: Node, out: Emitter): void {
  const attrs = node.attrs as Conv3dAttrs;
  const y = out.of(node.outputs[0]);
  const sources = node.inputs.slice(0, attrs.inputs).map((v) => out.of(v));
  const rest = node.inputs.slice(attrs.inputs).map((v) => out.of(v));
  const x = sources.length === 1
    ? sources[0]
    : out.add("Concat", sources, `${y} input`, { axis: { int: 1 } });
  const { padding } = samePadding("conv3d", attrs as ConvAttrs);
  out.add("Conv", [x, ...rest], y, {
    kernel_shape: ints(attrs.kernel),
    strides: ints(attrs.stride),
    pads: ints([...padding, ...padding]),
  });
}

function convTranspose3d(node: Node, out: Emitter): void {
  const { stride } = node.attrs as ConvTranspose3dAttrs;
  out.add("ConvTranspose", node.inputs.map((v) => out.of(v)), out.of(node.outputs[0]), {
    kernel_shape: ints(stride),
    strides: ints(stride),
  });
}

function avgPool3d(node: Node, out: Emitter): void {
  const { stride } = node.attrs as PoolAttrs;
  out.add("AveragePool", [out.of(node.inputs[0])], out.of(node.outputs[0]), {
    kernel_shape: ints(stride),
    strides: ints(stride),
  });
}

function expandMask(node: Node, out: Emitter): void {
  const { size } = node.attrs as { readonly size: Dims3 };
  const grid = node.inputs[0].spec.shape.slice(2);
  const scales = [1, 1, ...size.map((extent, axis) => extent / grid[axis])];
  const repeated = out.constant(`constant repeats ${scales.slice(2).join("x")}`, [5], scales);
  out.add("Resize", [out.of(node.inputs[0]), "", repeated], out.of(node.outputs[0]), {
    mode: { text: "nearest" },
    coordinate_transformation_mode: { text: "asymmetric" },
    nearest_mode: { text: "floor" },
  });
}

function applyMask(node: Node, out: Emitter): void {
  out.add("Mul", node.inputs.map((v) => out.of(v)), out.of(node.outputs[0]));
}

function tokenFill(node: Node, out: Emitter): void {
  const [x, token, mask] = node.inputs.map((v) => out.of(v));
  const y = out.of(node.outputs[0]);
  const visible = out.once(
    `${mask} visible`,
    (output) => out.add("Cast", [mask], output, { to: { int: ELEMENT_TYPES.bool } }),
  );
  out.add("Where", [visible, x, token], y);
}

/** How an operation is written, by its name. */
const RULES: Readonly<Record<string, (node: Node, out: Emitter) => void>> = {
  conv3d,
  convTranspose3d,
  instanceNorm: normRule,
  avgPool3d,
  expandMask,
  applyMask,
  tokenFill,
};

/** Writes one node of a graph. @throws {Error} for an operation that networks do not have */
export function translate(node: Node, out: Emitter): void {
  const rule = RULES[node.op.name];
  if (!rule) {
    throw new Error(
      `Cannot write ${node.op.name} as ONNX: wanted one of ${
        Object.keys(RULES).join(", ")
      }: add a rule for it`,
    );
  }
  rule(node, out);
}
