/** Rescales every sample to [0, 1] by its own minimum and maximum. */
import { elementCount, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import type { NoAttrs } from "../add/op.ts";
import { require, requireSame, sameShape, streamCost } from "../check.ts";
import type { Rows } from "./chunks.wgsl.ts";
import {
  rescaleGradientKernels,
  rescaleKernels,
  rescaleScratch,
  SMALLEST_RANGE,
} from "./min_max_rescale.wgsl.ts";

function samples(spec: TensorSpec): Rows {
  return { rows: spec.shape[0], length: elementCount(spec.shape) / spec.shape[0] };
}

/**
 * `y = (x - min) / (max - min)` with minimum and maximum of each sample over all other axes; 0 where the sample is constant.
 *
 * Input `[x]` of shape `[N, ...]`; outputs `[y, range]`: y like x, range `[N, 4]` = minimum, maximum and how often each occurs.
 * The gradient flows through minimum and maximum too, shared equally between ties.
 * @throws {ShapeError} when x is a scalar
 * Source: the rescaling in front of SSIM, nnssl `MAESSIMLoss`; ties as torch.amax.
 */
export const minMaxRescale: OpDef<NoAttrs> = {
  name: "minMaxRescale",
  infer([x]) {
    require(x.shape.length >= 2, "minMaxRescale", `x has shape [${x.shape}], wanted [N, ...]`, x.shape);
    return [x, tensor([x.shape[0], 4])];
  },
  cost: (inputs, outputs) => streamCost([...inputs, ...inputs], outputs, 4 * elementCount(inputs[0].shape)),
  lower({ inputs: [x], device }) {
    const rows = samples(x);
    return { variant: "chunks", scratch: rescaleScratch(rows), kernels: rescaleKernels(rows, device) };
  },
  gradient({ inputs: [x], outputs: [, range], gradients: [dy], apply }) {
    return [dy ? apply(minMaxRescaleGradient, [x, range, dy], {})[0] : null];
  },
  reference({ inputs: [x], inputSpecs: [spec] }) {
    const { rows, length } = samples(spec);
    const y = new Float64Array(x.length);
    const range = new Float64Array(rows * 4);
    for (let n = 0; n < rows; n++) {
      const part = x.subarray(n * length, (n + 1) * length);
      const [low, high] = [part.reduce((a, b) => Math.min(a, b)), part.reduce((a, b) => Math.max(a, b))];
      const ties = (v: number) => part.reduce((count, u) => count + (u === v ? 1 : 0), 0);
      range.set([low, high, ties(low), ties(high)], n * 4);
      if (high - low > SMALLEST_RANGE) {
        part.forEach((v, i) => y[n * length + i] = (v - low) / (high - low));
      }
    }
    return [y, range];
  },
};

/**
 * Gradient of {@link minMaxRescale}. With `A = sum(dy)`, `B = sum(dy * y)` over a sample and r = max - min:
 * `dx = dy / r + [x = min] (B - A) / (r * ties of min) - [x = max] B / (r * ties of max)`.
 *
 * Inputs `[x, range, dy]`; output like `x`.
 */
export const minMaxRescaleGradient: OpDef<NoAttrs> = {
  name: "minMaxRescaleGradient",
  infer([x, range, dy]) {
    requireSame("minMaxRescaleGradient", x, dy, "x and dy");
    require(
      sameShape(range.shape, [x.shape[0], 4]),
      "minMaxRescaleGradient",
      `range has shape [${range.shape}], wanted [${x.shape[0]}, 4]`,
    );
    return [x];
  },
  cost: (inputs, outputs) => streamCost([...inputs, ...inputs], outputs, 8 * elementCount(inputs[0].shape)),
  lower({ inputs: [x], device }) {
    const rows = samples(x);
    return {
      variant: "chunks",
      scratch: [...rescaleScratch(rows), tensor([rows.rows, 4])],
      kernels: rescaleGradientKernels(rows, device),
    };
  },
  reference({ inputs: [x, range, dy], inputSpecs: [spec] }) {
    const { rows, length } = samples(spec);
    const dx = new Float64Array(x.length);
    for (let n = 0; n < rows; n++) {
      const [low, high, lows, highs] = range.subarray(n * 4, n * 4 + 4);
      const r = high - low;
      if (!(r > SMALLEST_RANGE)) continue;
      let [a, b] = [0, 0];
      for (let i = n * length; i < (n + 1) * length; i++) {
        a += dy[i];
        b += dy[i] * (x[i] - low) / r;
      }
      for (let i = n * length; i < (n + 1) * length; i++) {
        dx[i] = dy[i] / r;
        if (x[i] === low) dx[i] += (b - a) / (r * lows);
        if (x[i] === high) dx[i] -= b / (r * highs);
      }
    }
    return [dx];
  },
};
