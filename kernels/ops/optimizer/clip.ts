/** Gradient clipping by global norm, decided and applied without leaving the GPU. */
import { elementCount, type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output, scratch } from "../../wgsl/module.ts";
import { treeSum, treeThreads } from "../../wgsl/reduce.ts";
import { count, require, streamCost } from "../check.ts";
import { flatLanes, laneType } from "../elementwise.ts";

/** Most workgroups that share a sum of squares. */
const GROUPS = 256;
/** Elements that a workgroup sums before the sum is split over more of them. */
const PER_GROUP = 1024;

/** `s = sum x^2`. Input of any shape; output `[1]`. Fixed order of summation. */
export const sumSquares: OpDef<Record<string, never>> = {
  name: "sumSquares",
  infer: () => [tensor([1])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * count(inputs)),
  lower({ inputs: [x], device }) {
    const n = elementCount(x.shape);
    const lanes = flatLanes(x);
    const threads = treeThreads(device);
    const groups = Math.max(1, Math.min(GROUPS, Math.ceil(n / lanes / PER_GROUP)));
    return {
      variant: "two stages",
      scratch: [tensor([groups])],
      kernels: [
        kernel({
          label: `sumSquares ${n} partial`,
          device,
          bindings: [input(0, "x", "V"), scratch(0, "partials", "read_write")],
          declarations: `${laneType(lanes)}\n${treeSum("tree", threads, device)}`,
          workgroupSize: threads,
          params: { n: n / lanes, length: Math.ceil(n / lanes / groups) },
          groups,
          body: `
let end = min((group + 1u) * p.length, p.n);
var squares = V();
for (var i = group * p.length + lid; i < end; i += ${threads}u) { let v = x[i]; squares += v * v; }
let sum = treeSum(lid, ${lanes === 4 ? "squares" : "vec4f(squares, 0.0, 0.0, 0.0)"});
if (lid == 0u) { partials[group] = (sum.x + sum.y) + (sum.z + sum.w); }`,
        }),
        kernel({
          label: `sumSquares ${n} finish`,
          device,
          workgroupSize: 1,
          bindings: [scratch(0, "partials", "read"), output(0, "y")],
          params: { n: groups },
          groups: 1,
          body: "var sum = 0.0;\nfor (var k = 0u; k < p.n; k++) { sum = sum + partials[k]; }\ny[0] = sum;",
        }),
      ],
    };
  },
  reference: ({ inputs: [x] }) => [Float64Array.of(x.reduce((sum, v) => sum + v * v, 0))],
};

/** Attributes of {@link clipScale}. */
export interface ClipAttrs {
  /** The largest norm, or null to leave gradients as they are. */
  readonly maxNorm: number | null;
  /** Whether the last input is the factor that the loss was multiplied with. */
  readonly scaled?: boolean;
}

/** Most segments whose norms one dispatch joins. */
export const MAX_CLIP_INPUTS = 6;

/**
 * Global norm and what to multiply gradients with.
 *
 * Inputs: 1 to 6 sums of squares `[1]` and, when scaled, the loss scale `[1]`. Output `[4]`: norm of the true gradient, what to
 * multiply the gradients with = `min(1, maxNorm / (norm + 1e-6)) / lossScale` (0 when the norm is not finite), 1 when finite else
 * 0, loss scale (1 unless scaled).
 * @throws {ShapeError} for no or too many inputs
 * Source: torch.nn.utils.clip_grad_norm_; unscaling before clipping as in torch.amp.GradScaler.
 */
export const clipScale: OpDef<ClipAttrs> = {
  name: "clipScale",
  infer(inputs, { scaled }) {
    const found = inputs.length - (scaled ? 1 : 0);
    require(
      found >= 1 && found <= MAX_CLIP_INPUTS,
      "clipScale",
      `found ${found} sums of squares, wanted 1 to ${MAX_CLIP_INPUTS}`,
    );
    return [tensor([4])];
  },
  cost: (inputs, outputs, { scaled }) => streamCost(inputs, outputs, scaled ? 10 : 8),
  lower({ inputs, attrs, device }) {
    const names = inputs.map((_, i) => attrs.scaled && i === inputs.length - 1 ? "lossScale" : `s${i}`);
    const unscale = attrs.scaled ? " / lossScale[0]" : "";
    return {
      variant: "one thread",
      scratch: [],
      kernels: [kernel({
        label: "clipScale",
        device,
        workgroupSize: 1,
        bindings: [...names.map((name, i) => input(i, name)), output(0, "y")],
        params: { maxNorm: { f32: attrs.maxNorm ?? 0 }, clip: attrs.maxNorm === null ? 0 : 1 },
        groups: 1,
        body: `
let total = ${names.filter((name) => name !== "lossScale").map((name) => `${name}[0]`).join(" + ")};
let finite = (bitcast<u32>(total) & 0x7f800000u) != 0x7f800000u;
let norm = sqrt(total)${unscale};
let scale = select(1.0, min(1.0, p.maxNorm / (norm + 1e-6)), p.clip == 1u)${unscale};
y[0] = norm;
y[1] = select(0.0, scale, finite);
y[2] = select(0.0, 1.0, finite);
y[3] = ${attrs.scaled ? "lossScale[0]" : "1.0"};`,
      })],
    };
  },
  reference({ inputs, attrs }) {
    const factor = attrs.scaled ? inputs.at(-1)![0] : 1;
    const total = inputs.slice(0, attrs.scaled ? -1 : undefined).reduce((sum, s) => sum + s[0], 0);
    const norm = Math.sqrt(total) / factor;
    const scale = (attrs.maxNorm === null ? 1 : Math.min(1, attrs.maxNorm / (norm + 1e-6))) / factor;
    return [
      Number.isFinite(total) ? Float64Array.of(norm, scale, 1, factor) : Float64Array.of(norm, 0, 0, factor),
    ];
  },
};
