/** Logits or probabilities of output voxels from a ring of logits. */
import { type OpDef, tensor } from "../../spec.ts";
import { kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { streamCost } from "../check.ts";
import {
  requireSampling,
  sampleReference,
  type SamplingAttrs,
  samplingBindings,
  samplingDeclarations,
  samplingParams,
} from "./sampling.ts";

/** Attributes of {@link sampleLogits}. */
export interface SampleLogitsAttrs extends SamplingAttrs {
  /** What is applied to the logits of a voxel. */
  readonly activation: "none" | "softmax" | "sigmoid";
}

const STATEMENTS: Readonly<Record<SampleLogitsAttrs["activation"], string>> = {
  none: "for (var k = 0u; k < p.c; k++) { out[k * p.total + tid] = logit(spot, k); }",
  sigmoid: "for (var k = 0u; k < p.c; k++) { out[k * p.total + tid] = 1.0 / (1.0 + exp(-logit(spot, k))); }",
  softmax: `
var largest = logit(spot, 0u); var sum = 0.0;
for (var k = 1u; k < p.c; k++) { largest = max(largest, logit(spot, k)); }
for (var k = 0u; k < p.c; k++) { let e = exp(logit(spot, k) - largest); sum += e; out[k * p.total + tid] = e; }
for (var k = 0u; k < p.c; k++) { out[k * p.total + tid] /= sum; }`,
};

/**
 * Interpolates logits at every voxel of a box; softmax over the channels or sigmoid where asked for.
 *
 * Inputs: ring, taps and fractions as `requireSampling` says. Output `[C, planes, rows, columns]`, f32. No gradient.
 * @throws {ShapeError} when the shapes do not fit
 */
export const sampleLogits: OpDef<SampleLogitsAttrs> = {
  name: "sampleLogits",
  infer(inputs, attrs) {
    requireSampling("sampleLogits", inputs, attrs);
    return [tensor([inputs[0].shape[1], ...attrs.box])];
  },
  cost([, taps, fractions], [y], { linear, activation }) {
    const reads = 2 ** linear.filter((axis) => axis).length;
    const each = 2 * reads + (activation === "none" ? 0 : 4);
    return streamCost([y, taps, fractions], [y], each * y.shape.reduce((a, b) => a * b, 1));
  },
  lower({ inputs, outputs: [y], attrs, device }) {
    const total = attrs.box[0] * attrs.box[1] * attrs.box[2];
    return {
      variant: attrs.activation,
      scratch: [],
      kernels: [kernel({
        label: `sampleLogits ${attrs.box.join("x")}`,
        device,
        bindings: [...samplingBindings(inputs), output(0, "out", y)],
        declarations: samplingDeclarations(attrs),
        params: { ...samplingParams(inputs[0], attrs), total },
        groups: Math.ceil(total / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let spot = spotOf(tid);
${STATEMENTS[attrs.activation]}`,
      })],
    };
  },
  reference({ inputs, inputSpecs: [ring], attrs }) {
    const logit = sampleReference(inputs, ring, attrs);
    const total = attrs.box[0] * attrs.box[1] * attrs.box[2], channels = ring.shape[1];
    const y = new Float64Array(channels * total);
    for (let voxel = 0; voxel < total; voxel++) {
      const logits = Array.from({ length: channels }, (_, c) => logit(voxel, c));
      const largest = Math.max(...logits);
      const sum = logits.reduce((s, v) => s + Math.exp(v - largest), 0);
      logits.forEach((v, c) => {
        y[c * total + voxel] = attrs.activation === "none"
          ? v
          : attrs.activation === "sigmoid"
          ? 1 / (1 + Math.exp(-v))
          : Math.exp(v - largest) / sum;
      });
    }
    return [y];
  },
};
