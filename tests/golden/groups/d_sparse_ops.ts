/** Operations of the sparse encoder, as dense operations and a block mask, against recorded values. */
import { ShapeError } from "../../../kernels/errors.ts";
import type { Graph, Value } from "../../../kernels/graph/graph.ts";
import { conv3d } from "../../../kernels/ops/conv3d/op.ts";
import { instanceNorm } from "../../../kernels/ops/instance_norm/op.ts";
import { applyMask, expandMask } from "../../../kernels/ops/mask/op.ts";
import { maxPool3d } from "../../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../../kernels/ops/pool/op.ts";
import { type Dims3, elementCount } from "../../../kernels/spec.ts";
import {
  compareOutputs,
  dims3,
  eachCase,
  type Fed,
  FedGraph,
  recorded,
  requireAttribute,
  runCall,
} from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, hashFill } from "../support.ts";

type Inputs = Readonly<Record<string, Value>>;

/** Compares every recorded sparse operation, then what happens with shapes that the reference refuses. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    const { grad_output, ...refs } = c.inputs;
    const inputs = Object.fromEntries(
      Object.entries(refs).map(([name, ref]) => [name, recorded(group, ref)]),
    );
    const results = await runCall({
      inputs,
      constant: ["mask"],
      gradOutput: recorded(group, grad_output),
      build: (graph, values) => build(graph, c, values),
    });
    const mixes = c.op === "sparse_instance_norm3d" && mixesSamples(inputs.x, inputs.mask);
    compareOutputs(check, c, results, (output) => !mixes || output.endsWith("_intended_f64"));
    if (Array.isArray(c.attributes.parameters_without_gradient)) {
      const without = Object.keys(refs).filter((name) => name !== "mask" && !results.has(`grad_${name}`));
      check.equal(
        c.id,
        "parameters without gradient",
        without.sort(),
        c.attributes.parameters_without_gradient.toSorted(),
      );
    }
  });
  for (const entry of (group.manifest.reference_errors ?? []) as ReferenceError[]) {
    await checkRefusal(check, entry);
  }
}

/** The map's mask at `size`; null when the map is smaller than the mask in all axes, where everything counts as visible. */
function maskAt(graph: Graph, mask: Value, size: Dims3): Value | null {
  const grid = mask.spec.shape.slice(2);
  return size.every((extent, axis) => extent < grid[axis])
    ? null
    : graph.apply(expandMask, [mask], { size })[0];
}

/** Mask at the size of a tensor. */
function maskOf(graph: Graph, mask: Value, x: Value): Value | null {
  return maskAt(graph, mask, x.spec.shape.slice(2) as unknown as Dims3);
}

function hide(graph: Graph, x: Value, mask: Value): Value {
  const m = maskOf(graph, mask, x);
  return m ? graph.apply(applyMask, [x, m], {})[0] : x;
}

function build(graph: Graph, c: GoldenCase, inputs: Inputs): Value {
  switch (c.op) {
    case "sparse_conv3d":
      requireAttribute(c, "padding", dims3(c.attributes.kernel, "kernel").map((k) => (k - 1) / 2));
      return sparseConv(graph, inputs.x, inputs.mask, inputs, "", dims3(c.attributes.stride, "stride"));
    case "sparse_instance_norm3d":
      return sparseNorm(graph, inputs.x, inputs.mask, inputs, "", {
        eps: Number(c.attributes.eps),
        slope: 1,
      });
    case "sparse_avg_pool3d":
    case "sparse_max_pool3d": {
      const stride = dims3(c.attributes.stride, "stride");
      requireAttribute(c, "kernel", stride);
      const pool = c.op === "sparse_avg_pool3d" ? avgPool3d : maxPool3d;
      return hide(graph, graph.apply(pool, [inputs.x], { stride })[0], inputs.mask);
    }
    case "sparse_basic_block_d":
      return sparseBlock(graph, c, inputs);
    default:
      throw new Error(`unknown op ${c.op}`);
  }
}

/** Convolution with the parameters `<prefix>weight` and `<prefix>bias`; the kernel is the weight's. */
function sparseConv(
  graph: Graph,
  x: Value,
  mask: Value,
  inputs: Inputs,
  prefix: string,
  stride: Dims3,
): Value {
  const weight = inputs[`${prefix}weight`];
  const bias = inputs[`${prefix}bias`];
  const kernel = weight.spec.shape.slice(2) as unknown as Dims3;
  const y = graph.apply(conv3d, bias ? [x, weight, bias] : [x, weight], {
    kernel,
    stride,
    inputs: 1,
    bias: bias !== undefined,
  })[0];
  return hide(graph, y, mask);
}

/** Norm over visible voxels, then the residual and LeakyReLU. */
function sparseNorm(
  graph: Graph,
  x: Value,
  mask: Value,
  inputs: Inputs,
  prefix: string,
  { eps, slope, residual }: { eps: number; slope: number; residual?: Value },
): Value {
  const [weight, bias] = [inputs[`${prefix}weight`], inputs[`${prefix}bias`]];
  const m = maskOf(graph, mask, x);
  return graph.apply(
    instanceNorm,
    [x, ...(weight ? [weight, bias] : []), ...(residual ? [residual] : []), ...(m ? [m] : [])],
    { eps, affine: weight !== undefined, residual: residual !== undefined, masked: m !== null, slope },
  )[0];
}

/** conv1, norm, LeakyReLU, conv2, norm; plus pooled and projected input; LeakyReLU. Only `all_modules.*` take part. */
function sparseBlock(graph: Graph, c: GoldenCase, inputs: Inputs): Value {
  const { x, mask } = inputs;
  const eps = Number(c.attributes.eps);
  const slope = Number(c.attributes.negative_slope);
  const stride = dims3(c.attributes.stride, "stride");
  const one: Dims3 = [1, 1, 1];
  const y1 = sparseConv(graph, x, mask, inputs, "conv1.all_modules.0.", stride);
  const h = sparseNorm(graph, y1, mask, inputs, "conv1.all_modules.1.", { eps, slope });
  let residual = x;
  if (stride.some((s) => s !== 1)) {
    residual = hide(graph, graph.apply(avgPool3d, [residual], { stride })[0], mask);
  }
  if ("skip.1.all_modules.0.weight" in inputs) {
    const projected = sparseConv(graph, residual, mask, inputs, "skip.1.all_modules.0.", one);
    residual = sparseNorm(graph, projected, mask, inputs, "skip.1.all_modules.1.", { eps, slope: 1 });
  }
  const y2 = sparseConv(graph, h, mask, inputs, "conv2.all_modules.0.", one);
  return sparseNorm(graph, y2, mask, inputs, "conv2.all_modules.1.", { eps, slope, residual });
}

/** Whether the reference's norm mixes samples: masked, with unequal numbers of visible blocks. */
function mixesSamples(x: Fed, mask: Fed): boolean {
  if (x.shape.slice(2).every((extent, axis) => extent < mask.shape[axis + 2])) return false;
  const counts = visibleCounts(mask);
  return counts.some((n) => n !== counts[0]);
}

function visibleCounts(mask: Fed): number[] {
  const cells = elementCount(mask.shape.slice(1));
  return Array.from(
    { length: mask.shape[0] },
    (_, n) => mask.data.slice(n * cells, (n + 1) * cells).reduce((sum, v) => sum + v, 0),
  );
}

interface ReferenceError {
  readonly case: string;
  readonly feature_size: Dims3;
  readonly mask_size: Dims3;
}

/**
 * What the reference refuses: sizes that the mask cannot tile are refused here too, with a ShapeError; unequal or single
 * visible counts have a meaning (statistics per sample) and must give zeros at hidden and finite numbers at visible voxels.
 */
async function checkRefusal(
  check: Checker,
  { case: what, feature_size, mask_size }: ReferenceError,
): Promise<void> {
  const id = `reference error: ${what}`;
  const tiles = feature_size.every((extent, axis) => extent % mask_size[axis] === 0);
  const below = feature_size.every((extent, axis) => extent < mask_size[axis]);
  const fed = new FedGraph();
  const shape = [2, 2, ...feature_size];
  const cells = elementCount(mask_size);
  const single = /\bone visible/.test(what);
  // Sample 0 shows one block; sample 1 one block too, or all but one where the counts are to differ.
  const maskData = Float32Array.from(
    { length: 2 * cells },
    (_, i) => (i < cells || single ? i % cells === 0 : i % cells !== 0) ? 1 : 0,
  );
  const x = fed.input("x", { shape, data: new Float32Array(hashFill(shape, 1)) });
  const mask = fed.input("mask", { shape: [2, 1, ...mask_size], data: maskData });
  let y: Value;
  try {
    y = sparseNorm(fed.graph, x, mask, {}, "", { eps: 1e-5, slope: 1 });
  } catch (error) {
    const refused = error instanceof ShapeError;
    check.equal(id, "refused with a ShapeError", refused, true);
    check.equal(id, "refusal expected", tiles || below, false);
    return;
  }
  check.equal(id, "accepted", true, tiles || below);
  const found = (await fed.evaluate(new Map([["y", y]]))).get("y")!;
  check.closeValues(id, "y", found, maskedNorm(shape, fed.feeds.get(x)!, mask_size, maskData), {
    atol: 1e-5,
    rtol: 1e-5,
  });
}

/** Norm over visible voxels in float64, voxel by voxel. */
function maskedNorm(shape: number[], x: Float32Array, grid: Dims3, mask: Float32Array): Float64Array {
  const [n, channels, d, h, w] = shape;
  const voxels = d * h * w;
  const y = new Float64Array(x.length);
  for (let plane = 0; plane < n * channels; plane++) {
    const visible: number[] = [];
    for (let v = 0; v < voxels; v++) {
      const at = [Math.floor(v / (h * w)), Math.floor(v / w) % h, v % w];
      const [a, b, e] = at.map((p, axis) => Math.floor(p * grid[axis] / shape[axis + 2]));
      const sample = Math.floor(plane / channels);
      if (mask[((sample * grid[0] + a) * grid[1] + b) * grid[2] + e] > 0.5) visible.push(plane * voxels + v);
    }
    const mean = visible.reduce((s, i) => s + x[i], 0) / visible.length;
    const variance = visible.reduce((s, i) => s + (x[i] - mean) ** 2, 0) / visible.length;
    for (const i of visible) y[i] = (x[i] - mean) / Math.sqrt(variance + 1e-5);
  }
  return y;
}
