/** nnU-Net's segmentation loss, its terms and the gradient of the logits against recorded values. */
import type { Value } from "../../../kernels/graph/graph.ts";
import { diceCe, type DiceCeAttrs } from "../../../kernels/ops/dice_ce/op.ts";
import { add } from "../../../kernels/ops/add/op.ts";
import { deepSupervisionWeights, supervisedLoss } from "../../../train/finetune/segmentation_loss.ts";
import { compareOutputs, eachCase, FedGraph, recorded } from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, goldenNumber } from "../support.ts";

/** Compares the weights of deep supervision and every recorded loss. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  const table = (group.manifest.deep_supervision_weights_by_number_of_outputs ?? {}) as Record<
    string,
    unknown[]
  >;
  for (const [outputs, weights] of Object.entries(table)) {
    compareWeights(check, `weights of ${outputs} outputs`, Number(outputs), weights);
  }
  await eachCase(group, check, async (c) => {
    if (c.op === "dc_and_ce_loss") return await runLoss(group, check, c);
    if (c.op === "deep_supervision_dc_and_ce") return await runDeepSupervision(group, check, c);
    throw new Error(`unknown op ${c.op}`);
  });
}

/** One output: the loss, both terms, the gradient. */
async function runLoss(group: GoldenGroup, check: Checker, c: GoldenCase): Promise<void> {
  const fed = new FedGraph();
  const logits = fed.input("logits", recorded(group, c.inputs.logits));
  const labels = fed.input("labels", recorded(group, c.inputs.target));
  const [loss, terms] = fed.graph.apply(diceCe, [logits, labels], lossOf(c));
  const found = await evaluate(fed, loss, new Map([["grad_logits", logits]]), terms);
  found.set("dice_term", found.get("terms")!.slice(0, 1));
  found.set("ce", found.get("terms")!.slice(1, 2));
  compare(check, c, found);
}

/** The recorded settings of one output's loss. */
function lossOf({ attributes }: GoldenCase): DiceCeAttrs {
  return {
    batchDice: attributes.batch_dice === true,
    doBackground: attributes.do_bg === true,
    smooth: goldenNumber(attributes.smooth ?? 1e-5),
    diceWeight: Number(attributes.weight_dice ?? 1),
    ceWeight: Number(attributes.weight_ce ?? 1),
    ignoreLabel: (attributes.ignore_label ?? null) as number | null,
  };
}

/** Weights of deep supervision; of a single output, where the reference divides 0 by 0, wanted is 1. */
function compareWeights(
  check: Checker,
  id: string,
  outputs: number,
  recordedWeights: readonly unknown[],
): void {
  const wanted = outputs === 1 ? [1] : recordedWeights.map(goldenNumber);
  check.closeValues(id, "weights", deepSupervisionWeights(outputs), wanted, { atol: 0, rtol: 1e-14 });
}

/** Several outputs with their own labels; those of weight 0 must get no gradient. */
async function runDeepSupervision(group: GoldenGroup, check: Checker, c: GoldenCase): Promise<void> {
  const fed = new FedGraph();
  const levels = (c.attributes.sizes as number[][]).map((_, i) => i);
  const outputs = levels.map((i) => fed.input(`logits${i}`, recorded(group, c.inputs[`logits${i}`])));
  const labels = levels.map((i) => fed.input(`target${i}`, recorded(group, c.inputs[`target${i}`])));
  compareWeights(check, c.id, levels.length, c.attributes.weights as unknown[]);
  const loss = deepLoss(fed, outputs, labels, c);
  const found = await evaluate(fed, loss, new Map(outputs.map((v, i) => [`grad_logits${i}`, v])));
  for (const i of c.attributes.outputs_without_gradient as number[]) {
    check.equal(c.id, `grad_logits${i} exists`, found.has(`grad_logits${i}`), false);
  }
  compare(check, c, found);
}

/** Fine-tuning's own loss; where another Dice is recorded than fine-tuning has, the sum of that one over outputs. */
function deepLoss(fed: FedGraph, outputs: readonly Value[], labels: readonly Value[], c: GoldenCase): Value {
  const { batchDice, ignoreLabel, ...dice } = lossOf(c);
  if (!dice.doBackground && dice.smooth === 1e-5 && dice.diceWeight === 1 && dice.ceWeight === 1) {
    const set = {
      kind: "labels",
      foreground: [],
      outputs: Number(c.attributes.classes),
      ignore: ignoreLabel,
    } as const;
    return supervisedLoss(fed.graph, outputs, labels, set, { batchDice });
  }
  const weights = deepSupervisionWeights(outputs.length);
  return outputs.flatMap((logits, i): Value[] => {
    if (weights[i] === 0) return [];
    const [diceWeight, ceWeight] = [dice.diceWeight, dice.ceWeight].map((weight) => weight * weights[i]);
    return [fed.graph.apply(diceCe, [logits, labels[i]], { ...lossOf(c), diceWeight, ceWeight })[0]];
  }).reduce((a, b) => fed.graph.apply(add, [a, b], {})[0]);
}

/** The loss and the gradients of those of `wrt` that it depends on, from the GPU. */
async function evaluate(
  fed: FedGraph,
  loss: Value,
  wrt: ReadonlyMap<string, Value>,
  terms?: Value,
): Promise<Map<string, Float32Array>> {
  const seed = fed.input("gradient of the loss", { shape: [1], data: Float32Array.of(1) });
  const gradients = fed.gradients([loss], [seed], [...wrt.values()]);
  const targets = new Map([["loss", loss]]);
  if (terms) targets.set("terms", terms);
  for (const [name, value] of wrt) {
    const gradient = gradients.get(value);
    if (gradient) targets.set(name, gradient);
  }
  return await fed.evaluate(targets);
}

/** Every recorded output, and the loss against the one in float64. */
function compare(check: Checker, c: GoldenCase, found: ReadonlyMap<string, Float32Array>): void {
  compareOutputs(check, c, found);
  if (c.loss_f64 !== undefined) {
    check.closeNumber(c.id, "loss in float64", found.get("loss")![0], c.loss_f64, c.outputs.loss.tolerance);
  }
}
