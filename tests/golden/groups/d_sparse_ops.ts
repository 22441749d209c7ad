/** Operations of the sparse encoder, on dense maps with a mask and on kept blocks, against recorded values. */
import { ShapeError } from "../../../kernels/errors.ts";
import { type Graph, Scope, type Value } from "../../../kernels/graph/graph.ts";
import { gatherBlocks, scatterBlocks } from "../../../kernels/ops/blocks/op.ts";
import { outputSize, samePadding } from "../../../kernels/ops/conv3d/geometry.ts";
import { conv3d } from "../../../kernels/ops/conv3d/op.ts";
import { instanceNorm } from "../../../kernels/ops/instance_norm/op.ts";
import { applyMask } from "../../../kernels/ops/mask/op.ts";
import { maxPool3d } from "../../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../../kernels/ops/pool/op.ts";
import { type Dims3, elementCount } from "../../../kernels/spec.ts";
import { type EncoderLayout, Masking, sizeOf, type VisibleBlocks } from "../../../model/masking.ts";
import { expandMask } from "../../../train/mask.ts";
import {
  compareOutputs,
  dims3,
  eachCase,
  type Fed,
  FedGraph,
  recorded,
  requireAttribute,
  runCall,
  visibleCounts,
} from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, hashFill } from "../support.ts";

type Inputs = Readonly<Record<string, Value>>;

/** Layouts of sparse activations in which the operations are compared. */
export const layouts = ["dense-masked", "blocks"] as const;

/** Compares every recorded sparse operation, then what happens with shapes that the reference refuses. */
export async function run(group: GoldenGroup, check: Checker, layout: EncoderLayout): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (!/^sparse_/.test(c.op)) throw new Error(`unknown op ${c.op}`);
    const { grad_output, ...refs } = c.inputs;
    const { mask, ...inputs } = Object.fromEntries(
      Object.entries(refs).map(([name, ref]) => [name, recorded(group, ref)]),
    );
    if (layout === "blocks" && isRefused(c)) {
      return check.equal(c.id, "refused in blocks", refusal(() => runBlocks(c, inputs, mask)), "ShapeError");
    }
    const sparse = isSparse(inputs.x, mask);
    const results = await runCall({
      inputs,
      gradOutput: recorded(group, grad_output),
      build: (graph, values, fed) =>
        new SparseCall(graph, fed.visibleBlocks(layout, mask), values).build(c, sparse),
    });
    const mixes = c.op === "sparse_instance_norm3d" && mixesSamples(inputs.x, mask);
    // Blocks have no hidden voxels, so none of them has a gradient; that of a zero means nothing anyway.
    const visibleOnly = layout === "blocks" && sparse;
    compareOutputs(
      check,
      c,
      results,
      (output) => (!mixes || output.endsWith("_intended_f64")) && !(visibleOnly && output === "grad_x"),
    );
    if (visibleOnly) {
      const { tolerance } = c.outputs.grad_x;
      const visible = visibleVoxels(inputs.x, mask);
      const [found, wanted] = [results.get("grad_x")!, recorded(group, c.outputs.grad_x).data]
        .map((values) => values.filter((_, i) => visible[i]));
      check.closeValues(c.id, "grad_x at visible voxels", found, wanted, tolerance);
    }
    if (Array.isArray(c.attributes.parameters_without_gradient)) {
      const without = Object.keys(inputs).filter((name) => !results.has(`grad_${name}`));
      check.equal(
        c.id,
        "parameters without gradient",
        without.sort(),
        c.attributes.parameters_without_gradient.toSorted(),
      );
    }
  });
  for (const entry of (group.manifest.reference_errors ?? []) as ReferenceError[]) {
    await checkRefusal(check, entry, layout);
  }
}

/** Whether blocks do without an operation: maximum pooling, and kernels that reach beyond the next voxel. */
function isRefused({ op, attributes }: GoldenCase): boolean {
  return op === "sparse_max_pool3d" ||
    op === "sparse_conv3d" && dims3(attributes.kernel, "kernel").some((k) => k > 3);
}

/** Whether each element of an activation is visible. */
function visibleVoxels(x: Fed, mask: Fed): readonly boolean[] {
  const [n, channels, ...size] = x.shape;
  const grid = mask.shape.slice(2) as unknown as Dims3;
  const cells = elementCount(grid);
  const voxels = elementCount(size);
  const samples = Array.from(
    { length: n },
    (_, i) => expandMask(mask.data.slice(i * cells, (i + 1) * cells), grid, size as unknown as Dims3),
  );
  return Array.from(x.data, (_, i) => samples[Math.floor(i / (channels * voxels))][i % voxels] === 1);
}

/** Whether hidden voxels hold zeros only, as activations of a sparse encoder do. */
function isSparse(x: Fed, mask: Fed): boolean {
  const visible = visibleVoxels(x, mask);
  return x.data.every((v, i) => visible[i] || v === 0);
}

/** Name of the error that a call ends with; null without one. */
function refusal(call: () => unknown): string | null {
  try {
    call();
    return null;
  } catch (error) {
    return error instanceof ShapeError ? "ShapeError" : String(error);
  }
}

/** Builds a case in the block layout. */
function runBlocks(c: GoldenCase, inputs: Readonly<Record<string, Fed>>, mask: Fed): Value {
  const fed = new FedGraph();
  const values = Object.fromEntries(Object.entries(inputs).map(([name, at]) => [name, fed.input(name, at)]));
  return new SparseCall(fed.graph, fed.visibleBlocks("blocks", mask), values).build(c, true);
}

/** Sparse operations in either layout, on dense inputs and outputs. */
class SparseCall {
  readonly #masking: Masking;

  constructor(readonly graph: Graph, visible: VisibleBlocks, readonly inputs: Inputs) {
    this.#masking = new Masking(new Scope(graph), visible);
  }

  /** The recorded call. @param sparse whether hidden voxels of x are zero */
  build(c: GoldenCase, sparse: boolean): Value {
    const { x } = this.inputs;
    switch (c.op) {
      case "sparse_conv3d": {
        requireAttribute(c, "padding", dims3(c.attributes.kernel, "kernel").map((k) => (k - 1) / 2));
        const stride = dims3(c.attributes.stride, "stride");
        return this.leave(this.conv(sparse ? this.enter(x) : x, "", stride));
      }
      case "sparse_instance_norm3d":
        return this.leave(this.norm(this.enter(x), "", { eps: Number(c.attributes.eps), slope: 1 }));
      case "sparse_avg_pool3d":
      case "sparse_max_pool3d": {
        const stride = dims3(c.attributes.stride, "stride");
        requireAttribute(c, "kernel", stride);
        return this.leave(
          this.pool(c.op === "sparse_avg_pool3d" ? avgPool3d : maxPool3d, this.enter(x), stride),
        );
      }
      case "sparse_basic_block_d":
        return this.leave(this.block(c, this.enter(x)));
      default:
        throw new Error(`unknown op ${c.op}`);
    }
  }

  /** An activation as the layout stores it. */
  enter(x: Value): Value {
    const { blocks } = this.#masking;
    if (!blocks || !this.#masking.masks(sizeOf(x))) return x;
    const { grid, kept } = blocks;
    return this.graph.apply(gatherBlocks, [x, blocks.table], { grid, kept })[0];
  }

  /** The whole map of an activation. */
  leave(y: Value): Value {
    if (y.spec.layout.kind === "dense") return y;
    return this.graph.apply(scatterBlocks, [y, this.#masking.blocks!.table], { token: false })[0];
  }

  /** Zeros in hidden voxels of a dense activation. */
  #hide(y: Value): Value {
    const visible = this.#masking.blocks ? null : this.#masking.of(y);
    return visible ? this.graph.apply(applyMask, [y, visible], {})[0] : y;
  }

  #table(x: Value): readonly Value[] {
    return x.spec.layout.kind === "blocks" ? [this.#masking.blocks!.table] : [];
  }

  pool(op: typeof avgPool3d, x: Value, stride: Dims3): Value {
    return this.#hide(this.graph.apply(op, [x, ...this.#table(x)], { stride })[0]);
  }

  /** Convolution with the parameters `<prefix>weight` and `<prefix>bias`; the kernel is the weight's. */
  conv(x: Value, prefix: string, stride: Dims3): Value {
    const weight = this.inputs[`${prefix}weight`];
    const bias = this.inputs[`${prefix}bias`];
    const kernel = weight.spec.shape.slice(2) as unknown as Dims3;
    const { blocks } = this.#masking;
    const size = outputSize(sizeOf(x), samePadding("conv", { kernel, stride }));
    const to = blocks && this.#masking.masks(size) ? { grid: blocks.grid, kept: blocks.kept } : "dense";
    const y = this.graph.apply(
      conv3d,
      [x, weight, ...(bias ? [bias] : []), ...(blocks ? [blocks.table] : [])],
      { kernel, stride, inputs: 1, bias: bias !== undefined, ...(blocks ? { table: true, to } : {}) },
    )[0];
    return this.#hide(y);
  }

  /** Norm over visible voxels, then the residual and LeakyReLU. */
  norm(
    x: Value,
    prefix: string,
    { eps, slope, residual }: { eps: number; slope: number; residual?: Value },
  ): Value {
    const [weight, bias] = [this.inputs[`${prefix}weight`], this.inputs[`${prefix}bias`]];
    const visible = this.#masking.of(x);
    return this.graph.apply(
      instanceNorm,
      [x, ...(weight ? [weight, bias] : []), ...(residual ? [residual] : []), ...(visible ? [visible] : [])],
      {
        eps,
        affine: weight !== undefined,
        residual: residual !== undefined,
        masked: visible !== null,
        slope,
      },
    )[0];
  }

  /** conv1, norm, LeakyReLU, conv2, norm; plus pooled and projected input; LeakyReLU. Only `all_modules.*` take part. */
  block(c: GoldenCase, x: Value): Value {
    const eps = Number(c.attributes.eps);
    const slope = Number(c.attributes.negative_slope);
    const stride = dims3(c.attributes.stride, "stride");
    const one: Dims3 = [1, 1, 1];
    const y1 = this.conv(x, "conv1.all_modules.0.", stride);
    const h = this.norm(y1, "conv1.all_modules.1.", { eps, slope });
    let residual = stride.some((s) => s !== 1) ? this.pool(avgPool3d, x, stride) : x;
    if ("skip.1.all_modules.0.weight" in this.inputs) {
      const projected = this.conv(residual, "skip.1.all_modules.0.", one);
      residual = this.norm(projected, "skip.1.all_modules.1.", { eps, slope: 1 });
    }
    const y2 = this.conv(h, "conv2.all_modules.0.", one);
    return this.norm(y2, "conv2.all_modules.1.", { eps, slope, residual });
  }
}

/** Whether the reference's norm mixes samples: masked, with unequal numbers of visible blocks. */
function mixesSamples(x: Fed, mask: Fed): boolean {
  if (x.shape.slice(2).every((extent, axis) => extent < mask.shape[axis + 2])) return false;
  const counts = visibleCounts(mask);
  return counts.some((n) => n !== counts[0]);
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
  layout: EncoderLayout,
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
  const told = fed.visibleBlocks(layout, { shape: [2, 1, ...mask_size], data: maskData });
  const call = new SparseCall(fed.graph, told, {});
  let y: Value;
  try {
    y = call.leave(call.norm(call.enter(x), "", { eps: 1e-5, slope: 1 }));
  } catch (error) {
    const refused = error instanceof ShapeError;
    check.equal(id, "refused with a ShapeError", refused, true);
    check.equal(id, "refusal expected", tiles || below, false);
    return;
  }
  check.equal(id, "accepted", true, tiles || below);
  const found = (await fed.evaluate(new Map([["y", y]]))).get("y")!;
  check.closeValues(id, "y", found, maskedNorm(shape, hashFill(shape, 1), mask_size, maskData), {
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
