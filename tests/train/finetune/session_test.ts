import assert from "node:assert/strict";
import type { FinetuneConfig } from "../../../train/finetune/config.ts";
import { pseudoDice } from "../../../train/finetune/pseudo_dice.ts";
import { FinetuneSession } from "../../../train/finetune/session.ts";
import type { FinetuneGraphRequest } from "../../../train/finetune/step.ts";
import type { JsonObject } from "../../../train/merge_config.ts";
import { METRIC_ROWS } from "../../../train/metrics_ring.ts";
import { gpuTest } from "../../support/gpu.ts";
import { sameBytes } from "../tiny_run.ts";
import { blobCrop, blobDataset, labelsOf, regionDataset, tinyFinetuneConfig } from "./tiny_finetune.ts";

function open(
  config: FinetuneConfig,
  dataset: JsonObject,
  rest: Partial<FinetuneGraphRequest> = {},
): Promise<FinetuneSession> {
  const maskImage = new Array(config.network.inputChannels).fill(false);
  const labels = labelsOf(dataset);
  return FinetuneSession.create(
    { config, labels, maskImage, trainable: "all", stemAdapted: false, ...rest },
    "auto",
  );
}

function batch(session: FinetuneSession, step: number, dataset: JsonObject, size = session.built.cropSize) {
  const { batch, network: { inputChannels } } = session.config;
  return Array.from(
    { length: batch.size },
    (_, i) => blobCrop(size, inputChannels, step, i, labelsOf(dataset).ignore),
  );
}

/** Mean Dice of the foreground on patches that training does not see. */
async function validate(
  session: FinetuneSession,
  dataset: JsonObject,
): Promise<{ loss: number; mean: number }> {
  session.startValidation();
  for (let i = 0; i < 3; i++) session.validateStep(batch(session, 1000 + i, dataset, session.config.patch));
  const { loss, confusion } = await session.readValidation();
  return { loss, mean: pseudoDice(confusion, labelsOf(dataset).kind === "labels" ? 1 : 0).mean };
}

/** Learns in a hundred steps. */
const fast = { kind: "adamw", lr: 1e-2 };

const variants: [string, JsonObject, JsonObject][] = [
  ["labels", blobDataset, { optimizer: fast }],
  [
    "regions, an ignore label, two channels, Dice of the batch, augmentation",
    regionDataset,
    {
      network: { inputChannels: 2, outputChannels: 2 },
      batchDice: true,
      optimizer: fast,
      augmentation: { enabled: true },
    },
  ],
  ["deep supervision in f16", blobDataset, {
    network: {
      features: [4, 6, 8],
      kernels: [[3, 3, 3], [3, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
      blocks: [1, 1, 1],
      decoderConvs: [1, 1],
    },
    deepSupervision: true,
    optimizer: fast,
    precision: "f16",
  }],
];

for (const [name, dataset, changes] of variants) {
  gpuTest(`FinetuneSession learns to segment blobs: ${name}`, async () => {
    using session = await open(tinyFinetuneConfig(changes), dataset);
    session.initialise();
    const before = await validate(session, dataset);
    const steps = 100;
    for (let step = 0; step < steps; step++) {
      session.trainStep(step, step, session.config.optimizer.lr, batch(session, step, dataset));
    }
    const metrics = await session.readMetrics(steps - METRIC_ROWS, steps);
    assert.ok(metrics.slice(-5).every(({ finite, loss }) => finite && Number.isFinite(loss)));
    const after = await validate(session, dataset);
    assert.ok(after.mean > 0.7, `Dice ${before.mean} -> ${after.mean}`);
    assert.ok(after.loss < before.loss);
  });
}

gpuTest(
  "a stage of the decoder moves the decoder alone, one with an adapted stem its projection too",
  async () => {
    const config = tinyFinetuneConfig();
    for (const [trainable, stemAdapted] of [["decoder", true], ["decoder-and-adapted-stem", true]] as const) {
      using session = await open(config, blobDataset, { trainable, stemAdapted });
      session.initialise();
      const before = await session.exportWeights();
      for (let step = 0; step < 2; step++) {
        session.trainStep(
          step,
          step,
          0.1,
          batch(session, step, blobDataset),
        );
      }
      const after = await session.exportWeights();
      for (const [name, { data }] of before) {
        const moves = name.startsWith("decoder.") ||
          trainable !== "decoder" && name === "encoder.stem.convs.0.conv.weight";
        const biasBeforeNorm = /\.conv\.bias$/.test(name); // has no gradient, and starts at zero
        if (!biasBeforeNorm) assert.equal(!sameBytes(data, after.get(name)!.data), moves, name);
      }
      const states = session.stateNames().filter((name) => name.startsWith("velocity:"));
      assert.ok(states.length > 0);
      assert.ok(states.every((name) => name.startsWith("velocity:decoder.") || trainable !== "decoder"));
    }
  },
);

gpuTest("a batch of 2 in micro-batches of 1 trains as one micro-batch of 2", async () => {
  const trained = async (micro: number) => {
    using session = await open(tinyFinetuneConfig({ batch: { size: 2, micro } }), blobDataset);
    session.initialise();
    session.trainStep(0, 0, 0.1, batch(session, 0, blobDataset));
    return { metrics: (await session.readMetrics(0, 1))[0], state: await session.exportWeights() };
  };
  const [one, two] = [await trained(1), await trained(2)];
  assert.ok(Math.abs(one.metrics.loss - two.metrics.loss) < 1e-5);
  for (const [name, { data }] of one.state) {
    const other = two.state.get(name)!.data;
    data.forEach((v, i) => assert.ok(Math.abs(v - other[i]) < 1e-4, name));
  }
});

gpuTest("a run that is too large for its memory says which patch and which micro-batch fit", async () => {
  const changes = { patch: [32, 32, 32], batch: { size: 4, micro: 4 }, memory: { limit: 0.008 } };
  await assert.rejects(open(tinyFinetuneConfig(changes), blobDataset), {
    name: "LimitError",
    message: /needs [^:]*: use micro-batch 1, patch \d+ or less, a larger memory limit, or another adapter$/,
  });
  await assert.rejects(open(tinyFinetuneConfig({ ...changes, batchDice: true }), blobDataset), {
    name: "LimitError",
    message: /needs [^:]*: use patch \d+ or less, a larger memory limit, or another adapter$/,
  });
});
