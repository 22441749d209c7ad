/** Masked auto-encoders and reconstruction losses: outputs, losses and all gradients against recorded values. */
import { type Graph, Scope, type Value } from "../../../kernels/graph/graph.ts";
import { reconstructionError, type ReconstructionErrorAttrs } from "../../../kernels/ops/loss/op.ts";
import { expandMask } from "../../../kernels/ops/mask/op.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { maskedAutoencoder } from "../../../model/mae.ts";
import type { EncoderLayout } from "../../../model/masking.ts";
import { eachCase, FedGraph, recorded } from "../gpu.ts";
import {
  checkGradients,
  checkState,
  loadState,
  namedNetwork,
  networkConfig,
  type RecordedNetwork,
  sparseKind,
} from "../network.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";
import { isSsimOp, runSsimCase } from "./f_ssim.ts";

const LOSSES: Readonly<Record<string, ReconstructionErrorAttrs>> = {
  SparkLoss: { power: 2, region: "hidden" },
  MAEMSELoss: { power: 2, region: "hidden" },
  MAEL1Loss: { power: 1, region: "hidden" },
  LossMaskMSELoss: { power: 2, region: "weighted" },
  LossMaskL1Loss: { power: 1, region: "weighted" },
  MSELoss_NoMask: { power: 2, region: "all" },
  L1Loss_NoMask: { power: 1, region: "all" },
};

/** Layouts of the sparse encoder in which steps are compared. */
export const layouts = ["dense-masked", "blocks"] as const;

/** Losses know no layout: they are compared once. */
export function inLayout({ op }: GoldenCase, layout: EncoderLayout): boolean {
  return layout === "dense-masked" || op.endsWith("_step");
}

/** Compares every recorded training step and loss. */
export async function run(group: GoldenGroup, check: Checker, layout: EncoderLayout): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op === "spark3d_step" || c.op === "dense_mae_step") return await runStep(group, check, c, layout);
    if (c.op in LOSSES) return await runLoss(group, check, c);
    if (isSsimOp(c.op)) return await runSsimCase(group, c, check);
    throw new Error(`unknown op ${c.op}`);
  });
}

/** Reconstruction, masked squared error and gradients of one step; sparse networks see the unmasked patch at their stem. */
async function runStep(
  group: GoldenGroup,
  check: Checker,
  c: GoldenCase,
  layout: EncoderLayout,
): Promise<void> {
  const network = namedNetwork<RecordedNetwork>(group, c);
  const fed = new FedGraph();
  const { graph } = fed;
  const image = fed.input("x", recorded(group, c.inputs.x));
  const mask = fed.visibleBlocks(layout, recorded(group, c.inputs.mask));
  const { reconstruction, visible, decayOnly } = maskedAutoencoder(new Scope(graph), image, mask, {
    kind: c.op === "dense_mae_step" ? "mae" : sparseKind(network),
    network: networkConfig(network.architecture),
    leakyStem: true,
  });
  const parameters = loadState(group, network, fed);
  checkState(check, c.id, network, graph.parameters, network.n_unique_parameters);
  const loss = graph.apply(reconstructionError, [reconstruction, image, visible], LOSSES.SparkLoss)[0];
  const gradients = fed.gradients([loss], [one(fed)], graph.parameters);
  const found = await fed.evaluate(
    new Map<string, Value>([
      ["reconstruction", reconstruction],
      ["loss", loss],
      ...[...gradients].map(([p, g]): [string, Value] => [p.name, g]),
    ]),
  );
  for (const name of ["reconstruction", "loss"]) check.close(c.id, name, found.get(name)!, c.outputs[name]);
  check.closeNumber(c.id, "loss in float64", found.get("loss")![0], c.loss_f64, c.outputs.loss.tolerance);
  const contents = new Map([...gradients.keys()].map((p) => [p, found.get(p.name)!]));
  checkGradients(check, c, parameters, contents, decayOnly);
}

/** A plain loss: value and gradient with respect to the prediction. */
async function runLoss(group: GoldenGroup, check: Checker, c: GoldenCase): Promise<void> {
  const attrs = LOSSES[c.op];
  const fed = new FedGraph();
  const prediction = fed.input("prediction", recorded(group, c.inputs.prediction));
  const target = fed.input("target", recorded(group, c.inputs.target));
  const weights = attrs.region === "hidden" ? "mask" : "loss_mask";
  const mask = attrs.region === "all"
    ? []
    : [voxelMask(fed.graph, fed.input(weights, recorded(group, c.inputs[weights])), prediction)];
  const loss = fed.graph.apply(reconstructionError, [prediction, target, ...mask], attrs)[0];
  const gradient = fed.gradients([loss], [one(fed)], [prediction]).get(prediction)!;
  const found = await fed.evaluate(new Map([["loss", loss], ["grad_prediction", gradient]]));
  for (const [name, values] of found) check.close(c.id, name, values, c.outputs[name]);
  if (c.loss_f64 !== undefined) {
    check.closeNumber(c.id, "loss in float64", found.get("loss")![0], c.loss_f64, c.outputs.loss.tolerance);
  }
}

/** A mask at the size of the prediction. */
function voxelMask(graph: Graph, mask: Value, prediction: Value): Value {
  const size = prediction.spec.shape.slice(2) as unknown as Dims3;
  return String(mask.spec.shape.slice(2)) === String(size)
    ? mask
    : graph.apply(expandMask, [mask], { size })[0];
}

function one(fed: FedGraph): Value {
  return fed.input("gradient of the loss", { shape: [1], data: Float32Array.of(1) });
}
