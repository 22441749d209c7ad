/** Labels of output voxels from a ring of logits, without an array of the logits between. */
import { type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { require, sameShape, streamCost } from "../check.ts";
import {
  requireSampling,
  sampleReference,
  type SamplingAttrs,
  samplingBindings,
  samplingDeclarations,
  samplingParams,
} from "./sampling.ts";

/** Attributes of {@link labelVoxels}. */
export interface LabelVoxelsAttrs extends SamplingAttrs {
  /** `largest`: the value of the channel with the largest logit, the first of equals; `regions`: of the last one above 0. */
  readonly decision: "largest" | "regions";
  /** Bytes of a label. */
  readonly bytes: 1 | 2;
}

/** 32-bit words that hold the labels of a box. */
export function labelWords({ box, bytes }: Pick<LabelVoxelsAttrs, "box" | "bytes">): number {
  return Math.ceil(box[0] * box[1] * box[2] * bytes / 4);
}

/**
 * Interpolates logits at every voxel of a box and decides its label.
 *
 * A region's sigmoid is above 1/2 where its logit is above 0. Infinite or undefined logits set the flag.
 *
 * Inputs: ring, taps and fractions as `requireSampling` says; values `[C]`, i32: label of each channel; flag `[1]`, u32, a state.
 * Outputs: labels, u32 words that hold the box in C order, lowest bytes first; the flag, updated: 1 once a logit was not finite.
 * No gradient.
 * @throws {ShapeError} when the shapes do not fit
 */
export const labelVoxels: OpDef<LabelVoxelsAttrs> = {
  name: "labelVoxels",
  updates: [[4, 1]],
  infer(inputs, attrs) {
    requireSampling("labelVoxels", inputs, attrs);
    const [ring, , , values, flag] = inputs;
    require(
      values.dtype === "i32" && sameShape(values.shape, [ring.shape[1]]) && flag.dtype === "u32" &&
        sameShape(flag.shape, [1]),
      "labelVoxels",
      `values are ${values.dtype} [${values.shape}] and flag ${flag.dtype} [${flag.shape}], ` +
        `wanted i32 [${ring.shape[1]}] and u32 [1]`,
    );
    return [tensor([labelWords(attrs)], "u32"), flag];
  },
  cost([ring, taps, fractions], outputs, { box, linear }) {
    const reads = 2 ** linear.filter((axis) => axis).length;
    const sampled = tensor([ring.shape[1], ...box]);
    return streamCost(
      [sampled, taps, fractions],
      outputs,
      2 * reads * ring.shape[1] * box[0] * box[1] * box[2],
    );
  },
  lower({ inputs, outputs: [labels], attrs, device }) {
    const [ring, , , values] = inputs;
    const perWord = 4 / attrs.bytes;
    const decide = attrs.decision === "largest"
      ? `
  var best = logit(spot, 0u); var chosen = 0u;
  finite = finite && (bitcast<u32>(best) & 0x7f800000u) != 0x7f800000u;
  for (var k = 1u; k < p.c; k++) {
    let value = logit(spot, k);
    finite = finite && (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
    if (value > best) { best = value; chosen = k; }
  }
  label = u32(values[chosen]);`
      : `
  for (var k = 0u; k < p.c; k++) {
    let value = logit(spot, k);
    finite = finite && (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
    if (value > 0.0) { label = u32(values[k]); }
  }`;
    return {
      variant: attrs.decision,
      scratch: [],
      kernels: [kernel({
        label: `labelVoxels ${attrs.box.join("x")}`,
        device,
        bindings: [
          ...samplingBindings(inputs),
          input(3, "values", values),
          output(0, "labels", labels),
          output(1, "flag", "atomic<u32>"),
        ],
        declarations: samplingDeclarations(attrs),
        params: {
          ...samplingParams(ring, attrs),
          words: labels.shape[0],
          total: attrs.box[0] * attrs.box[1] * attrs.box[2],
        },
        groups: Math.ceil(labels.shape[0] / WORKGROUP),
        body: `
if (tid >= p.words) { return; }
var word = 0u; var finite = true;
for (var j = 0u; j < ${perWord}u; j++) {
  let voxel = ${perWord}u * tid + j;
  if (voxel >= p.total) { break; }
  let spot = spotOf(voxel);
  var label = 0u;${decide}
  word |= label << (${8 * attrs.bytes}u * j);
}
labels[tid] = word;
if (!finite) { atomicStore(&flag[0], 1u); }`,
      })],
    };
  },
  reference({ inputs, inputSpecs: [ring], attrs }) {
    const [, , , values, flag] = inputs;
    const logit = sampleReference(inputs, ring, attrs);
    const perWord = 4 / attrs.bytes, channels = ring.shape[1];
    const words = new Float64Array(labelWords(attrs));
    let bad = flag[0];
    for (let voxel = 0; voxel < attrs.box[0] * attrs.box[1] * attrs.box[2]; voxel++) {
      let label = attrs.decision === "largest" ? values[0] : 0;
      let best = logit(voxel, 0);
      for (let c = 0; c < channels; c++) {
        const value = logit(voxel, c);
        if (!Number.isFinite(value)) bad = 1;
        if (attrs.decision === "regions" ? value > 0 : value > best) {
          label = values[c];
          best = value;
        }
      }
      words[Math.floor(voxel / perWord)] += label * 2 ** (8 * attrs.bytes * (voxel % perWord));
    }
    return [words, Float64Array.of(bad)];
  },
};
