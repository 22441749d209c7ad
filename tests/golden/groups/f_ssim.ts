import { differentiate } from "../../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../../kernels/graph/graph.ts";
import { add } from "../../../kernels/ops/add/op.ts";
import { msSsimLoss, ssimLoss } from "../../../kernels/ops/ssim/loss.ts";
import { elementCount, tensor } from "../../../kernels/spec.ts";
import { testGpu } from "../../support/gpu.ts";
import { runOnGpu } from "../../support/ops.ts";
import { type Checker, type GoldenCase, type GoldenGroup, hashFill64 } from "../support.ts";

type Data = Float32Array<ArrayBuffer>;

interface Images {
  readonly shape: readonly number[];
  readonly prediction: Data;
  readonly target: Data;
  readonly mask: { readonly shape: readonly number[]; readonly data: Data };
}

interface GeneratedInputs {
  readonly shape: readonly number[];
  readonly seed: number;
  readonly target_first4: readonly number[];
  readonly prediction_first4: readonly number[];
}

const LOSSES = {
  MAESSIMLoss: { loss: ssimLoss, masked: false },
  MAESSIMLoss_WithMask: { loss: ssimLoss, masked: true },
  MAE_MS_SSIMLoss: { loss: msSsimLoss, masked: false },
  MAE_MS_SSIMLoss_WithMask: { loss: msSsimLoss, masked: true },
} as const;

/** Whether {@link runSsimCase} compares recorded cases of this op. */
export function isSsimOp(op: string): op is keyof typeof LOSSES {
  return op in LOSSES;
}

/** Compares one recorded SSIM or MS-SSIM loss and its gradient with respect to the prediction, on the GPU. */
export async function runSsimCase(group: GoldenGroup, golden: GoldenCase, check: Checker): Promise<void> {
  if (!isSsimOp(golden.op)) return check.miss(golden.id, golden.op, "unknown op");
  const { loss, masked } = LOSSES[golden.op];
  const generated = golden.attributes.generated_inputs as GeneratedInputs | undefined;
  const images = generated ? generatedImages(golden.id, generated, check) : recordedImages(group, golden);
  const graph = new Graph();
  const prediction = graph.input("prediction", tensor(images.shape));
  const target = graph.input("target", tensor(images.shape));
  const mask = masked ? graph.input("mask", tensor(images.mask.shape)) : undefined;
  const value = loss(graph, prediction, target, mask);
  const one = graph.input("one", tensor([1]));
  const dx = differentiate(graph, { seeds: new Map([[value, one]]), wrt: [prediction], add }).get(
    prediction,
  )!;
  const feeds = new Map<Value, Data>([
    [prediction, images.prediction],
    [target, images.target],
    [one, Float32Array.of(1)],
  ]);
  if (mask) feeds.set(mask, images.mask.data);
  const [found, gradient] = await runOnGpu(await testGpu(), graph, feeds, [value, dx]);
  check.close(golden.id, "loss", found, golden.outputs.loss);
  const { every } = (golden.attributes.grad_subsample ?? { every: 1 }) as { every: number };
  check.close(
    golden.id,
    "grad_prediction",
    gradient.filter((_, i) => i % every === 0),
    golden.outputs.grad_prediction,
  );
}

function recordedImages(group: GoldenGroup, golden: GoldenCase): Images {
  const read = (name: string) => {
    const { data, shape } = group.tensor(golden.inputs[name]);
    return { shape, data: Float32Array.from(data as Float32Array) };
  };
  const prediction = read("prediction");
  return {
    shape: prediction.shape,
    prediction: prediction.data,
    target: read("target").data,
    mask: read("mask"),
  };
}

/** The formula in the case's attributes; first values are compared so that a slip shows here and not in the loss. */
function generatedImages(id: string, inputs: GeneratedInputs, check: Checker): Images {
  const { shape, seed } = inputs;
  const [n, , d, h, w] = shape;
  const [first, second] = [hashFill64(shape, seed), hashFill64(shape, seed + 1)];
  const count = elementCount(shape);
  const [prediction, target, mask] = [0, 1, 2].map(() => new Float32Array(count));
  let i = 0;
  for (let b = 0; b < n; b++) {
    for (let z = 0; z < d; z++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++, i++) {
          const wave = Math.sin(0.21 * z) + Math.sin(0.13 * y + 0.5) * Math.cos(0.17 * x);
          const value = wave * (1 + 0.3 * b) + 0.3 * Math.fround(first[i]);
          target[i] = value;
          prediction[i] = 0.7 * value + 0.4 * Math.fround(second[i]);
          mask[i] = y < Math.floor(h / 2) && x >= Math.floor(w / 3) ? 0 : 1;
        }
      }
    }
  }
  const tolerance = { atol: 1e-6, rtol: 0 };
  check.closeValues(id, "generated target", target.subarray(0, 4), inputs.target_first4, tolerance);
  check.closeValues(
    id,
    "generated prediction",
    prediction.subarray(0, 4),
    inputs.prediction_first4,
    tolerance,
  );
  return { shape, prediction, target, mask: { shape, data: mask } };
}
