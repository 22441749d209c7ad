/** nnU-Net's segmentation loss, its terms and the gradient of the logits against recorded values. */
import type { Value } from "../../../kernels/graph/graph.ts";
import { diceCe, type DiceCeAttrs } from "../../../kernels/ops/dice_ce/op.ts";
import { deepSupervisionWeights, supervisedLoss } from "../../../train/finetune/segmentation_loss.ts";
import { eachCase, FedGraph, recorded } from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, goldenNumber } from "../support.ts";

/** Compares the weights of deep supervision and every recorded loss. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  const table = (group.manifest.deep_supervision_weights_by_number_of_outputs ?? {}) as Record<
    string,
    number[]
  >;
  for (const [outputs, weights] of Object.entries(table)) {
    const found = deepSupervisionWeights(Number(outputs));
    check.closeValues(`weights of ${outputs} outputs`, "weights", found, weights, { atol: 0, rtol: 1e-14 });
  }
  await eachCase(group, check, async (c) => {
    if (c.op === "dc_and_ce_loss") return await runLoss(group, check, c);
    if (c.op === "deep_supervision_dc_and_ce") return await runDeepSupervision(group, check, c);
    throw new Error(`unknown op ${c.op}`);
  });
}

/** One output: the loss, both terms, the gradient. */
async function runLoss(group: GoldenGroup, check: Checker, c: GoldenCase): Promise<void> {
  const { batch_dice, do_bg, smooth, ignore_label } = c.attributes;
  const attrs: DiceCeAttrs = {
    batchDice: batch_dice === true,
    doBackground: do_bg === true,
    smooth: goldenNumber(smooth),
    diceWeight: Number(c.attributes.weight_dice ?? 1),
    ceWeight: Number(c.attributes.weight_ce ?? 1),
    ignoreLabel: (ignore_label ?? null) as number | null,
  };
  const fed = new FedGraph();
  const logits = fed.input("logits", recorded(group, c.inputs.logits));
  const labels = fed.input("labels", recorded(group, c.inputs.target));
  const [loss, terms] = fed.graph.apply(diceCe, [logits, labels], attrs);
  const found = await evaluate(fed, loss, new Map([["grad_logits", logits]]), terms);
  found.set("dice_term", found.get("terms")!.slice(0, 1));
  found.set("ce", found.get("terms")!.slice(1, 2));
  compare(check, c, found);
}

/** Several outputs with their own labels; those of weight 0 must get no gradient. */
async function runDeepSupervision(group: GoldenGroup, check: Checker, c: GoldenCase): Promise<void> {
  const { sizes, weights, batch_dice, classes, smooth, do_bg, ignore_label } = c.attributes;
  if (smooth !== 1e-5 || do_bg === true) throw new Error(`another loss: smooth ${smooth}, do_bg ${do_bg}`);
  const fed = new FedGraph();
  const levels = (sizes as number[][]).map((_, i) => i);
  const outputs = levels.map((i) => fed.input(`logits${i}`, recorded(group, c.inputs[`logits${i}`])));
  const labels = levels.map((i) => fed.input(`target${i}`, recorded(group, c.inputs[`target${i}`])));
  const used = deepSupervisionWeights(outputs.length);
  check.closeValues(c.id, "weights", used, weights as number[], { atol: 0, rtol: 1e-14 });
  const set = {
    kind: "labels",
    foreground: [],
    outputs: Number(classes),
    ignore: (ignore_label ?? null) as number | null,
  } as const;
  const loss = supervisedLoss(fed.graph, outputs, labels, set, { batchDice: batch_dice === true });
  const found = await evaluate(fed, loss, new Map(outputs.map((v, i) => [`grad_logits${i}`, v])));
  for (const i of c.attributes.outputs_without_gradient as number[]) {
    check.equal(c.id, `grad_logits${i} exists`, found.has(`grad_logits${i}`), false);
  }
  compare(check, c, found);
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
  for (const [name, ref] of Object.entries(c.outputs)) {
    const values = found.get(name);
    if (values) check.close(c.id, name, values, ref);
    else check.miss(c.id, name, "nothing computes it");
  }
  if (c.loss_f64 !== undefined) {
    check.closeNumber(c.id, "loss in float64", found.get("loss")![0], c.loss_f64, c.outputs.loss.tolerance);
  }
}
