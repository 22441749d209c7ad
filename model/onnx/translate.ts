/** Operations of a network as ONNX operators. */
import type { Node, Value } from "../../kernels/graph/graph.ts";
import { type ConvAttrs, samePadding } from "../../kernels/ops/conv3d/geometry.ts";
import type { Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import type { ConvTranspose3dAttrs } from "../../kernels/ops/conv_transpose3d/op.ts";
import { type InstanceNormAttrs, normInputs } from "../../kernels/ops/instance_norm/inputs.ts";
import type { PoolAttrs } from "../../kernels/ops/pool/windows.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { ELEMENT_TYPES, type OnnxAttribute, type OnnxNode, type OnnxTensor } from "./messages.ts";

/** Collects operators and constants. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  readonly #names = new Map<Value, string>();
  readonly #made = new Set<string>();

  /** Gives a value the name of an input or output of the model. */
  name(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  /** Name of a value in the model. */
  of(value: Value): string {
    return this.#names.get(value) ?? value.name;
  }

  /** Adds an operator and returns the name of its output. */
  add(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    this.nodes.push({ name: output, operator, inputs, outputs: [output], attributes });
    return output;
  }

  /** What several operators share, made for the first of them. */
  once(output: string, make: (output: string) => string): string {
    if (this.#made.has(output)) return output;
    this.#made.add(output);
    return make(output);
  }

  /** A constant, stored once for all that ask for the same name. */
  constant(name: string, shape: readonly number[], values: readonly number[], int64 = false): string {
    if (!this.#made.has(name)) {
      this.#made.add(name);
      const read = () => Promise.resolve(Float32Array.from(values));
      this.constants.push({ name, shape, values: int64 ? { int64: values } : { read } });
    }
    return name;
  }

  /** The number as a constant of no axes. */
  scalar(value: number): string {
    return this.constant(`constant ${value}`, [], [value]);
  }

  /** Depth, height and width, for sums over a volume. */
  axes(): string {
    return this.constant("constant axes", [3], [2, 3, 4], true);
  }

  /** What is added last, under the name of the value itself. */
  finish(last: string, value: Value): void {
    const node = this.nodes.at(-1)!;
    if (node.outputs[0] !== last) {
      throw new Error(`Cannot rename ${last}: the last operator makes ${node.outputs[0]}`);
    }
    this.nodes[this.nodes.length - 1] = { ...node, name: this.of(value), outputs: [this.of(value)] };
  }
}

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

/** The normalised input before residual and activation. */
function normalised(node: Node, out: Emitter, y: string): string {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const x = out.of(node.inputs[0]);
  const channels = node.inputs[0].spec.shape[1];
  const parameter = (i: number) => out.of(node.inputs[i]);
  if (at.visible < 0) {
    const scale = attrs.affine
      ? parameter(at.gamma)
      : out.constant(`constant ones ${channels}`, [channels], new Array(channels).fill(1));
    const offset = attrs.affine
      ? parameter(at.beta)
      : out.constant(`constant zeros ${channels}`, [channels], new Array(channels).fill(0));
    return out.add("InstanceNormalization", [x, scale, offset], `${y} normalised`, {
      epsilon: { float: attrs.eps },
    });
  }
  // statistics of visible voxels from two passes, as an instance norm's own; hidden voxels become 0
  const mask = parameter(at.visible);
  const keep: Readonly<Record<string, OnnxAttribute>> = { keepdims: { int: 1 } };
  const sumOf = (of: string, output: string) => out.add("ReduceSum", [of, out.axes()], output, keep);
  const voxels = out.once(
    `${mask} voxels`,
    (output) => out.add("Max", [sumOf(mask, `${mask} sum`), out.scalar(1)], output),
  );
  const shown = out.add("Mul", [x, mask], `${y} shown`);
  const mean = out.add("Div", [sumOf(shown, `${y} sum`), voxels], `${y} mean`);
  const centred = out.add("Mul", [out.add("Sub", [x, mean], `${y} moved`), mask], `${y} centred`);
  const squares = sumOf(out.add("Mul", [centred, centred], `${y} squares`), `${y} sum of squares`);
  const variance = out.add("Div", [squares, voxels], `${y} variance`);
  const deviation = out.add(
    "Sqrt",
    [out.add("Add", [variance, out.scalar(attrs.eps)], `${y} stabilised`)],
    `${y} deviation`,
  );
  const scaled = out.add("Div", [centred, deviation], `${y} normalised`);
  if (!attrs.affine) return scaled;
  const perChannel = (i: number, name: string) =>
    out.add("Reshape", [
      parameter(i),
      out.constant(`constant channels ${channels}`, [5], [1, channels, 1, 1, 1], true),
    ], `${y} ${name}`);
  const grown = out.add("Mul", [scaled, perChannel(at.gamma, "gamma")], `${y} grown`);
  const offset = out.add("Add", [grown, perChannel(at.beta, "beta")], `${y} offset`);
  return out.add("Mul", [offset, mask], `${y} affine`);
}

function instanceNorm(node: Node, out: Emitter): void {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const y = out.of(node.outputs[0]);
  let result = normalised(node, out, y);
  if (at.residual >= 0) {
    result = out.add("Add", [result, out.of(node.inputs[at.residual])], `${y} with residual`);
  }
  if (attrs.slope !== 1) {
    result = out.add("LeakyRelu", [result], `${y} active`, { alpha: { float: attrs.slope } });
  }
  out.finish(result, node.outputs[0]);
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
  instanceNorm,
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
