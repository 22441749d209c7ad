import assert from "node:assert/strict";
import { type SafetensorsSource, writeSafetensors } from "../../../data/safetensors_file.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlan } from "../../../train/adaptation_plan.ts";
import { readFinetuned } from "../../../train/finetune/checkpoint.ts";
import { finetuneNetwork } from "../../../train/finetune/config.ts";
import { networkFromPlan } from "../../../train/finetune/network_from_plan.ts";
import { exportModel } from "../../../train/interop/export_model.ts";
import { importModel } from "../../../train/interop/import_model.ts";
import { readModel } from "../../../train/interop/read_model.ts";
import { ModelFileError } from "../../../train/interop/types.ts";
import { maeConfig } from "../../../train/step.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { planOfNetwork } from "../finetune/plan_of_network.ts";
import { blobDataset, blobPlans, tinyFinetuneConfig } from "../finetune/tiny_finetune.ts";
import { pretrainPlan, sameBytes, tinyConfig } from "../tiny_run.ts";
import { writeSegmentationRun } from "./exported_run.ts";
import { noiseWeights, stateDict, writeTorchCheckpoint } from "./torch_checkpoint.ts";

/** Writes the final checkpoint of a run folder. */
async function writeRun(
  run: string,
  tensors: ReadonlyMap<string, SafetensorsSource>,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  await Deno.mkdir(`${run}/checkpoints`, { recursive: true });
  await writeSafetensors(`${run}/checkpoints/final.safetensors`, tensors, metadata);
  return run;
}

Deno.test("readModel() opens a pre-training run, its optimizer states left out", () =>
  withFolder(async (folder) => {
    for (const kind of ["s3d", "s3d-efficient", "s3d-no-token", "mae"] as const) {
      const config = tinyConfig({ network: { kind, leakyStem: kind === "s3d" } });
      const { network } = maeConfig(config);
      const weights = noiseWeights(kind, network);
      const states = new Map([...weights].map(([name, tensor]) => [`velocity:${name}`, tensor]));
      const run = await writeRun(`${folder}/${kind}`, new Map([...weights, ...states]), {
        format: "spark3d-checkpoint-1",
        step: String(3 * config.stepsPerEpoch + 1),
        config: JSON.stringify(config),
        [ADAPTATION_PLAN_KEY]: JSON.stringify(
          adaptationPlan(network, config.patch, pretrainPlan(config.patch)),
        ),
      });
      await using model = await readModel(run);
      assert.equal(model.path, `${run}/checkpoints/final.safetensors`);
      assert.deepEqual([model.kind, model.origin, model.architectureSource], [
        kind,
        "spark3d",
        "configuration",
      ]);
      assert.deepEqual(model.network, network);
      assert.deepEqual([model.leakyStem, model.maskBlock], [kind === "s3d", config.mask.block]);
      assert.deepEqual([model.trained.epochs, model.trained.steps], [3, 3 * config.stepsPerEpoch + 1]);
      assert.deepEqual(model.report.missing, []);
      assert.equal(model.report.used.length, weights.size);
      assert.deepEqual(
        [...new Set(model.report.skipped.map(({ reason }) => reason))],
        ["state of the optimizer"],
      );
      await importModel(run, `${folder}/${kind}.safetensors`);
      await using again = await readModel(`${folder}/${kind}.safetensors`);
      const { path: _p, format, report, tensors, ...facts } = again;
      const { path: _q, format: _f, report: _r, tensors: _t, ...before } = model;
      assert.equal(format, "spark3d-model-1");
      assert.deepEqual(JSON.parse(JSON.stringify(facts)), JSON.parse(JSON.stringify(before)));
      assert.deepEqual(report.skipped, []);
      for (const [name, { data }] of weights) {
        assert.ok(sameBytes(await tensors.get(name)!.read(), data), name);
      }
    }
  }));

Deno.test("readModel() opens a fine-tuning run; what it writes predicts as the run does", () =>
  withFolder(async (folder) => {
    const config = tinyFinetuneConfig({ fold: 3, deepSupervision: true });
    const network = finetuneNetwork(config);
    const plans = blobPlans(network.inputChannels);
    const run = await writeRun(`${folder}/run`, noiseWeights("segmentation", network), {
      format: "spark3d-finetuned-1",
      progress: JSON.stringify({ step: 40 }),
      config: JSON.stringify(config),
      configuration: JSON.stringify(config.configuration),
      plans: JSON.stringify(plans),
      dataset: JSON.stringify(blobDataset),
    });
    await using model = await readModel(run);
    assert.deepEqual([model.kind, model.network, model.dataset], ["segmentation", network, blobDataset]);
    assert.deepEqual([model.trained.fold, model.trained.steps], [3, 40]);
    await importModel(run, `${folder}/model.safetensors`);
    const [own, copy] = [await readFinetuned(run), await readFinetuned(`${folder}/model.safetensors`)];
    const { path: _a, ...wanted } = own;
    const { path: _b, ...found } = copy;
    assert.deepEqual(found, wanted);
  }));

Deno.test("readModel() says which metadata of a file are damaged", () =>
  withFolder(async (folder) => {
    const network = maeConfig(tinyConfig()).network;
    const cases: [Record<string, string>, RegExp][] = [
      [
        { format: "spark3d-checkpoint-1", config: "{" },
        /found a damaged config in its metadata, wanted a JSON/,
      ],
      [
        { format: "spark3d-checkpoint-1", config: '{"seed": -1}' },
        /found a damaged config \(stepsPerEpoch: .*\) in its metadata, wanted those/,
      ],
      [{ format: "spark3d-finetuned-1" }, /found a damaged config/],
      [{ format: "spark3d-model-1", model: '{"kind": "vit"}' }, /found a damaged model/],
    ];
    for (const [i, [metadata, message]] of cases.entries()) {
      const path = `${folder}/${i}.safetensors`;
      await writeSafetensors(path, noiseWeights("network", network), metadata);
      await assert.rejects(readModel(path), (error: Error) => {
        assert.ok(error instanceof ModelFileError);
        assert.match(error.message, message);
        return true;
      });
    }
  }));

Deno.test("a run of another network or patch than its plans say is handed over with plans of its own", () =>
  withFolder(async (folder) => {
    const run = `${folder}/run`, out = `${folder}/model.pth`;
    await writeSegmentationRun(run, { network: { features: [4, 8] }, patch: [8, 8, 8] });
    await exportModel({ from: run, format: "nnunet", out, card: null });
    await using own = await readModel(run);
    assert.match(
      own.notes.join("\n"),
      /^The plans had another network and patch than was trained: 3d_fullres/m,
    );
    await using again = await readModel(out);
    assert.deepEqual([again.architectureSource, again.notes], ["plans", []]);
    assert.deepEqual(again.plans?.configurations["3d_fullres"].patch_size, [8, 8, 8]);
    assert.deepEqual(again.network.features, [4, 8]);
  }));

Deno.test("readModel() holds plans that are named against a file of its own, and takes the labels with them", () =>
  withFolder(async (folder) => {
    const plans = blobPlans(1);
    const network = networkFromPlan(plans.configurations["3d_fullres"], 1, 3, false);
    const source = `${folder}/bare.pth`, own = `${folder}/own.safetensors`;
    await writeTorchCheckpoint(source, stateDict(noiseWeights("segmentation", network)));
    assert.equal((await importModel(source, own)).model.kind, "network");
    const named = { plans: `${folder}/the_plans.json`, dataset: `${folder}/the_dataset.json` };
    await Deno.writeTextFile(named.plans, JSON.stringify(plans));
    await Deno.writeTextFile(named.dataset, JSON.stringify(blobDataset));
    await using model = await readModel(own, named);
    assert.deepEqual([model.kind, model.architectureSource, model.assumptions], [
      "segmentation",
      "plans",
      [],
    ]);
    const other = { ...network, features: [4, 9] };
    for (
      const wrong of [
        adaptationPlan(other, [16, 16, 16], pretrainPlan([8, 8, 8])),
        planOfNetwork(other, [16, 16, 16]),
      ]
    ) {
      await Deno.writeTextFile(named.plans, JSON.stringify(wrong));
      await assert.rejects(
        readModel(own, named),
        /features 4, 9, .*wanted the same network: name the plans of/,
      );
    }
  }));
