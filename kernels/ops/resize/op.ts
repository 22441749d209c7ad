/** Resizing one axis by a table of weights, and clamping to ranges: the parts of resampling volumes. */
import { type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { around, resizeKernel } from "./resize.wgsl.ts";

/** Axis of a volume, 0 = D to 2 = W. */
export interface ResizeAxisAttrs {
  readonly axis: 0 | 1 | 2;
}

/**
 * `y[.., o, ..] = sum_k weights[o, k] * x[.., clamp(first[o] + k), ..]` along one axis, f32.
 *
 * Inputs x `[N, C, D, H, W]`, first `[size]` (i32) and weights `[size, taps]`, see taps.ts; output x's shape with `size` along the
 * axis. Positions beyond the ends read the edge sample. No gradient: data are resampled before training.
 * @throws {ShapeError} when the tables do not belong together or x is not f32
 */
export const resizeAxis: OpDef<ResizeAxisAttrs> = {
  name: "resizeAxis",
  infer([x, first, weights], { axis }) {
    const { n, c, size } = volume("resizeAxis", "x", x);
    requireSingle("resizeAxis", "x", x);
    const [length, taps] = weights.shape;
    require(
      first.dtype === "i32" && sameShape(first.shape, [length]) && taps >= 1,
      "resizeAxis",
      `first is ${first.dtype} [${first.shape}], wanted i32 [${length}] as weights [${weights.shape}]`,
      first.shape,
      [length],
    );
    return [tensor([n, c, ...size.map((extent, a) => a === axis ? length : extent)])];
  },
  cost(inputs, outputs) {
    return streamCost(inputs, outputs, 2 * inputs[2].shape[1] * count(outputs));
  },
  lower({ inputs: [x, first, weights], outputs: [y], attrs: { axis }, device }) {
    return {
      variant: around(x, axis).inner === 1 ? "rows" : "columns",
      scratch: [],
      kernels: [resizeKernel(x, first, weights, y, axis, device)],
    };
  },
  reference({ inputs: [x, first, weights], inputSpecs: [spec, , table], outputSpecs: [out], attrs }) {
    const { inner, length } = around(spec, attrs.axis);
    const [size, taps] = table.shape;
    const y = new Float64Array(count([out]));
    for (let i = 0; i < y.length; i++) {
      const line = Math.floor(i / inner), outer = Math.floor(line / size), o = line % size;
      for (let k = 0; k < taps; k++) {
        const at = Math.min(Math.max(first[o] + k, 0), length - 1);
        y[i] += weights[o * taps + k] * x[(outer * length + at) * inner + i % inner];
      }
    }
    return [y];
  },
};

/** Axis whose slices have ranges of their own; null for one range of everything. */
export interface ClampSlicesAttrs {
  readonly axis: 0 | 1 | 2 | null;
}

/**
 * `min(max(x, low), high)` with the range of each slice along an axis, f32.
 *
 * Inputs x `[N, C, D, H, W]` and ranges `[slices, 2]`, low before high, one a slice or one in all; output like x. May overwrite x.
 * No gradient, as {@link resizeAxis}.
 * @throws {ShapeError} when there are not as many ranges as slices or x is not f32
 */
export const clampSlices: OpDef<ClampSlicesAttrs> = {
  name: "clampSlices",
  mayOverwrite: [[0, 0]],
  infer([x, ranges], { axis }) {
    const { size } = volume("clampSlices", "x", x);
    requireSingle("clampSlices", "x", x);
    const slices = axis === null ? 1 : size[axis];
    require(
      sameShape(ranges.shape, [slices, 2]),
      "clampSlices",
      `ranges have shape [${ranges.shape}], wanted [${slices}, 2]`,
      ranges.shape,
      [slices, 2],
    );
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * count(outputs)),
  lower({ inputs: [x, ranges], outputs: [y], attrs: { axis }, inPlace, device }) {
    const over = inPlace.length > 0;
    const out = output(0, "out", y), from = over ? out : input(0, "x", x);
    const { inner, length } = axis === null ? { inner: count([x]), length: 1 } : around(x, axis);
    return {
      variant: over ? "in place" : "copy",
      scratch: [],
      kernels: [kernel({
        label: `clampSlices ${shapeText(x)}${over ? " in place" : ""}`,
        device,
        bindings: [...(over ? [] : [from]), input(1, "ranges", ranges), out],
        params: { total: count([y]), inner, length },
        groups: Math.ceil(count([y]) / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let slice = tid / p.inner % p.length;
out[tid] = clamp(${from.name}[tid], ranges[2u * slice], ranges[2u * slice + 1u]);`,
      })],
    };
  },
  reference({ inputs: [x, ranges], inputSpecs: [spec], attrs: { axis } }) {
    const { inner, length } = axis === null ? { inner: x.length, length: 1 } : around(spec, axis);
    return [x.map((value, i) => {
      const slice = Math.floor(i / inner) % length;
      return Math.min(Math.max(value, ranges[2 * slice]), ranges[2 * slice + 1]);
    })];
  },
};
