/** Mean absolute or squared error, over all voxels or weighted by a mask. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, load, output, scratch, store } from "../../wgsl/module.ts";
import { channelMap, channelSums, elementOf, partialSpec } from "../channelwise.ts";
import {
  count,
  require,
  requireFloat,
  requireSameShape,
  requireSingle,
  sameShape,
  streamCost,
  volume,
} from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Attributes of {@link reconstructionError}. */
export interface ReconstructionErrorAttrs {
  /** 2: squared error, 1: absolute error. */
  readonly power: 1 | 2;
  /** Which voxels count: all, those where the mask is 0 (`hidden`), or weighted by the mask (`weighted`). */
  readonly region: "all" | "hidden" | "weighted";
}

const weightOf = { all: "V(1.0)", hidden: "V(1.0) - mask[m]", weighted: "mask[m]" } as const;

function weight(attrs: ReconstructionErrorAttrs, m: number): number {
  return attrs.region === "all" ? 1 : attrs.region === "hidden" ? 1 - m : m;
}

function checkInputs(op: string, inputs: readonly TensorSpec[], attrs: ReconstructionErrorAttrs): void {
  const x = volume(op, "prediction", inputs[0]);
  requireSameShape(op, inputs[0], inputs[1], "prediction and target");
  requireFloat(op, "prediction", inputs[0]);
  requireSingle(op, "target", inputs[1]);
  if (attrs.region === "all") return;
  const wanted = [x.n, 1, ...x.size];
  require(
    inputs.length >= 3 && sameShape(inputs[2].shape, wanted),
    op,
    `mask has shape [${inputs[2]?.shape}], wanted [${wanted}]`,
  );
  requireSingle(op, "mask", inputs[2]);
}

/**
 * `L = sum w |prediction - target|^power / sum w`, one mean over the whole batch.
 *
 * Inputs `[prediction, target]` of shape `[N, C, D, H, W]` and, unless region is `all`, mask `[N, 1, D, H, W]`
 * (1 = visible); `w` is 1, `1 - mask` or `mask`. The prediction is f32 or f16, everything else f32. Outputs: loss `[1]`, sum of
 * weights `[1]`. The target gets no gradient.
 * @throws {ShapeError} when shapes or types do not fit
 * Source: loss on hidden voxels only, He et al. 2022 (arXiv:2111.06377).
 */
export const reconstructionError: OpDef<ReconstructionErrorAttrs> = {
  name: "reconstructionError",
  infer(inputs, attrs) {
    checkInputs("reconstructionError", inputs, attrs);
    return [tensor([1]), tensor([1])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 4 * count(inputs)),
  lower({ inputs, attrs, device }) {
    const spec = inputs[0];
    const label = `reconstructionError ${attrs.region} ${shapeText(spec)}`;
    const partials = partialSpec(spec);
    const prediction = input(0, "prediction", elementOf(spec));
    return {
      variant: "two stages",
      scratch: [partials],
      kernels: [
        channelSums({
          label,
          device,
          spec,
          partial: 0,
          bindings: [
            prediction,
            input(1, "target_"),
            ...(attrs.region === "all" ? [] : [input(2, "mask")]),
          ],
          lanes: true,
          before: "var errors = V(); var weights = V();",
          each: `let w = ${weightOf[attrs.region]}; let d = ${load(prediction, "i")} - target_[i];
            errors += w * ${attrs.power === 2 ? "d * d" : "abs(d)"}; weights += w;`,
          after: "sum = vec4f(total(errors), total(weights), 0.0, 0.0);",
        }),
        kernel({
          label: `${label} finish`,
          device,
          workgroupSize: 1,
          bindings: [scratch(0, "partials", "read", "vec4f"), output(0, "loss"), output(1, "weights")],
          params: { n: partials.shape[0] * partials.shape[1] },
          groups: 1,
          body: `
var sum = vec4f();
for (var k = 0u; k < p.n; k++) { sum = sum + partials[k]; }
loss[0] = sum.x / sum.y;
weights[0] = sum.y;`,
        }),
      ],
    };
  },
  gradient({ inputs, outputs, gradients: [dloss], needed, attrs, apply }) {
    const mask = attrs.region === "all" ? [] : [inputs[2]];
    return [
      needed[0]
        ? apply(reconstructionErrorGradient, [inputs[0], inputs[1], ...mask, outputs[1], dloss!], attrs)[0]
        : null,
      null,
      ...mask.map(() => null),
    ];
  },
  reference({ inputs: [prediction, target, mask], inputSpecs: [spec], attrs }) {
    const { c, voxels } = volume("reconstructionError", "prediction", spec);
    let total = 0;
    let weights = 0;
    prediction.forEach((v, i) => {
      const w = weight(attrs, mask ? mask[Math.floor(i / (c * voxels)) * voxels + i % voxels] : 1);
      total += w * Math.abs(v - target[i]) ** attrs.power;
      weights += w;
    });
    return [Float64Array.of(total / weights), Float64Array.of(weights)];
  },
};

/**
 * Gradient of {@link reconstructionError} with respect to the prediction; that of `|d|` at 0 is 0.
 *
 * Inputs `[prediction, target, mask?, weights, dloss]`; output like the prediction, in its type: a gradient of f16 needs a
 * scaled `dloss`, since `2 d / sum w` is below the smallest 16-bit float for millions of voxels.
 */
export const reconstructionErrorGradient: OpDef<ReconstructionErrorAttrs> = {
  name: "reconstructionErrorGradient",
  infer: ([prediction]) => [prediction],
  cost: (inputs, outputs) => streamCost(inputs, outputs, 4 * count(outputs)),
  lower({ inputs, attrs, device }) {
    const masked = attrs.region === "all" ? 0 : 1;
    const prediction = input(0, "prediction", elementOf(inputs[0]));
    const dprediction = output(0, "y", elementOf(inputs[0]));
    return {
      variant: "map",
      scratch: [],
      kernels: [channelMap({
        label: `reconstructionError.dprediction ${attrs.region} ${shapeText(inputs[0])}`,
        device,
        spec: inputs[0],
        bindings: [
          prediction,
          input(1, "target_"),
          ...(masked ? [input(2, "mask")] : []),
          input(2 + masked, "weights", "f32"),
          input(3 + masked, "dloss", "f32"),
          dprediction,
        ],
        lanes: true,
        before: "let factor = dloss[0] / weights[0];",
        each: `let d = ${load(prediction, "i")} - target_[i];
          ${
          store(
            dprediction,
            "i",
            `factor * (${weightOf[attrs.region]}) * ${attrs.power === 2 ? "2.0 * d" : "sign(d)"}`,
          )
        }`,
      })],
    };
  },
  reference({ inputs, inputSpecs: [spec], attrs }) {
    const { c, voxels } = volume("reconstructionErrorGradient", "prediction", spec);
    const masked = attrs.region === "all" ? 0 : 1;
    const [prediction, target] = inputs;
    const mask = masked ? inputs[2] : null;
    const factor = inputs[3 + masked][0] / inputs[2 + masked][0];
    return [prediction.map((v, i) => {
      const w = weight(attrs, mask ? mask[Math.floor(i / (c * voxels)) * voxels + i % voxels] : 1);
      const d = v - target[i];
      return factor * w * (attrs.power === 2 ? 2 * d : Math.sign(d));
    })];
  },
};
