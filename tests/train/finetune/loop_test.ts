import assert from "node:assert/strict";
import type { TrainEvent } from "../../../train/events.ts";
import { readFinetuned } from "../../../train/finetune/checkpoint.ts";
import { finetunePaths } from "../../../train/finetune/run_folder.ts";
import type { JsonObject } from "../../../train/merge_config.ts";
import { RunLog } from "../../../train/run_log.ts";
import { gpuTest } from "../../support/gpu.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { fileExists } from "../tiny_run.ts";
import {
  type BlobData,
  blobDataset,
  prepareBlobs,
  regionDataset,
  runTinyFinetune,
  tinyFinetuneConfig,
} from "./tiny_finetune.ts";

/** Asserts that two runs left the same checkpoints and figures. */
async function assertSameRun(found: string, wanted: string): Promise<void> {
  for (const kind of ["final", "best"] as const) {
    const [a, b] = [found, wanted].map((out) => Deno.readFileSync(finetunePaths(out)[kind]));
    assert.ok(a.length === b.length && a.every((byte, i) => byte === b[i]), `${kind} checkpoint of ${found}`);
  }
  const figures = async (out: string) => {
    const { seconds: _, ...rest } = JSON.parse(await Deno.readTextFile(finetunePaths(out).summary));
    return rest;
  };
  assert.deepEqual(await figures(found), await figures(wanted));
  const dice = (out: string) => {
    using log = RunLog.open(finetunePaths(out).log, { readOnly: true });
    return ["loss", "trainLoss", "valLoss", "meanDice", "emaDice", "lr"].map((name) => log.metric(name));
  };
  assert.deepEqual(dice(found), dice(wanted));
}

const sawtooth: JsonObject = {
  schedule: { kind: "sawtooth", decoderEpochs: 2, warmupEpochs: 1 },
  epochs: 5,
  optimizer: { kind: "adamw", lr: 1e-2 },
  augmentation: { enabled: true },
};

gpuTest(
  "runFinetuning() from start to summary; stopped anywhere and resumed, the same bytes",
  () =>
    withFolder(async (folder) => {
      const data = await prepareBlobs(folder, blobDataset);
      const config = tinyFinetuneConfig(sawtooth);
      const whole = `${folder}/whole`, paths = finetunePaths(whole);
      const { summary, events } = await runTinyFinetune(data, whole, config);
      assert.deepEqual([summary.state, summary.steps, summary.fold], ["finished", 15, 0]);
      assert.deepEqual(summary.cases, { train: 4, val: 1 });
      assert.equal(summary.pseudoDice!.length, 2);
      assert.deepEqual(
        events.filter((e) => e.type === "stage").map(({ step, epoch, name }) => ({ step, epoch, name })),
        [{ step: 0, epoch: 0, name: "decoder" }, { step: 6, epoch: 2, name: "all" }],
      );
      const [decoder, all] = events.filter((e) => e.type === "stage");
      assert.ok(decoder.trained < all.trained && all.trained <= all.parameters);
      const judged = events.filter((e) => e.type === "segmentation");
      assert.deepEqual(judged.map(({ epoch }) => epoch), [1, 2, 3, 4, 5]);
      judged.slice(1).forEach(({ emaDice, meanDice }, i) =>
        assert.ok(Math.abs(emaDice - (0.9 * judged[i].emaDice + 0.1 * meanDice)) < 1e-12)
      );
      assert.ok(!await fileExists(paths.latest) && !await fileExists(paths.transfer));
      assert.deepEqual(JSON.parse(await Deno.readTextFile(paths.dataset)), data.dataset);
      assert.deepEqual(JSON.parse(await Deno.readTextFile(paths.plans)), data.plans);
      // at the end of the first stage, and inside an epoch of the second
      for (const stopAfter of [6, 10]) {
        const out = `${folder}/stopped_${stopAfter}`;
        const stopped = await runTinyFinetune(data, out, config, { stopAfter });
        assert.deepEqual([stopped.summary.state, stopped.summary.steps], ["stopped", stopAfter]);
        await runTinyFinetune(data, out, config, { resume: true });
        await assertSameRun(out, whole);
      }
      const again: TrainEvent[] = [];
      assert.deepEqual(
        (await runTinyFinetune(data, whole, config, { resume: true, events: again })).summary,
        summary,
      );
      assert.deepEqual(again, [], "a finished run is left alone");

      const model = await readFinetuned(whole);
      assert.deepEqual([model.path, model.labels.outputs, model.network.outputChannels], [paths.final, 3, 3]);
      assert.deepEqual(model.plans, data.plans);
      assert.equal((await readFinetuned(whole, "best")).path, paths.best);
      await assert.rejects(readFinetuned(`${folder}/none`), {
        name: "CheckpointError",
        message: /no such file/,
      });
      await assert.rejects(readFinetuned(whole, "latest"), {
        name: "CheckpointError",
        message: /latest\.safetensors/,
      });
    }),
);

const variants: [string, JsonObject, JsonObject][] = [
  ["regions, ignore, two channels, Dice of the batch, frozen", {
    ...regionDataset,
    channel_names: { 0: "T1", 1: "T2" },
  }, {
    network: { inputChannels: 2, outputChannels: 2 },
    batchDice: true,
    schedule: { kind: "frozen" },
  }],
  ["valley, deep supervision, f16", blobDataset, {
    schedule: { kind: "valley", decoderEpochs: 1, warmupEpochs: 1 },
    deepSupervision: true,
    precision: "f16",
    epochs: 3,
  }],
];

for (const [name, dataset, changes] of variants) {
  gpuTest(`runFinetuning() stopped and resumed: ${name}`, () =>
    withFolder(async (folder) => {
      const data = await prepareBlobs(folder, dataset);
      const config = tinyFinetuneConfig({ stepsPerEpoch: 2, validationSteps: 1, epochs: 2, ...changes });
      const { summary } = await runTinyFinetune(data, `${folder}/whole`, config);
      assert.equal(summary.state, "finished");
      assert.ok(Number.isFinite(summary.trainLoss) && Number.isFinite(summary.valLoss));
      await runTinyFinetune(data, `${folder}/stopped`, config, { stopAfter: 3 });
      await Deno.mkdir(`${folder}/stopped/validation`);
      await Deno.writeTextFile(`${folder}/stopped/validation/summary.json`, "{}");
      await runTinyFinetune(data, `${folder}/stopped`, config, { resume: true });
      await Deno.remove(`${folder}/stopped/validation`); // without the judgement of the earlier end
      await assertSameRun(`${folder}/stopped`, `${folder}/whole`);
    }));
}

gpuTest(
  "runFinetuning() starts from the encoder of a checkpoint and says what became of every tensor",
  () =>
    withFolder(async (folder) => {
      const data: BlobData = await prepareBlobs(folder, blobDataset);
      const short = { epochs: 1, stepsPerEpoch: 1, validationSteps: 1 };
      const config = tinyFinetuneConfig(short);
      await runTinyFinetune(data, `${folder}/first`, config);
      const from = finetunePaths(`${folder}/first`).final;
      const frozen = tinyFinetuneConfig({ ...short, schedule: { kind: "frozen" }, seed: 5 });
      const { summary } = await runTinyFinetune(data, `${folder}/second`, frozen, {
        from,
        transferDecoder: true,
      });
      const report = JSON.parse(await Deno.readTextFile(finetunePaths(`${folder}/second`).transfer)).report;
      assert.equal(summary.transfer!.transferred, report.transferred.length);
      assert.ok(report.transferred.includes("decoder.stages.0.convs.0.conv.weight"));
      assert.deepEqual(report.fresh, ["decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"]);
      const [first, second] = [
        await readFinetuned(`${folder}/first`),
        await readFinetuned(`${folder}/second`),
      ];
      for (const [name, values] of first.weights) {
        const same = second.weights.get(name)!.every((value, i) => value === values[i]);
        if (name.startsWith("encoder.")) assert.ok(same, `${name} is frozen`);
      }
      const wide = tinyFinetuneConfig({ network: { features: [4, 8] } });
      await assert.rejects(runTinyFinetune(data, `${folder}/wide`, wide, { from }), {
        name: "TransferError",
      });
    }),
);
