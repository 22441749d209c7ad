import assert from "node:assert/strict";
import { readPlans } from "../../../data/nnunet/plans.ts";
import { readSafetensorsHeader } from "../../../data/safetensors_file.ts";
import { openTorchFile, type TorchDict, type TorchTensor, torchToJson } from "../../../data/torch/mod.ts";
import { torchKeys } from "../../../model/parameters.ts";
import { readFinetuned } from "../../../train/finetune/checkpoint.ts";
import { transferWeights } from "../../../train/finetune/transfer.ts";
import { exportModel } from "../../../train/interop/export_model.ts";
import { exportFormats } from "../../../train/interop/export_types.ts";
import { importModel } from "../../../train/interop/import_model.ts";
import { readModel } from "../../../train/interop/read_model.ts";
import type { JsonObject } from "../../../train/merge_config.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import { SECRET, type Weights, writePretrainedRun, writeSegmentationRun } from "./exported_run.ts";

/** Requires a dictionary to hold every tensor under all its names, equal and in one storage. */
async function assertState(path: string, key: string, weights: Weights): Promise<void> {
  await using file = await openTorchFile(path);
  const state = (file.root as TorchDict).get(key) as ReadonlyMap<string, TorchTensor>;
  const wanted = [...weights].filter(([name]) => /^(encoder|decoder)\./.test(name));
  const keys = wanted.flatMap(([name]) => torchKeys({ name }));
  assert.deepEqual([...state.keys()].sort(), keys.toSorted());
  for (const [name, { shape, data }] of wanted) {
    const tensors = torchKeys({ name }).map((alias) => state.get(alias)!);
    assert.equal(new Set(tensors.map(({ storage }) => storage)).size, 1, `${name} has one storage`);
    assert.deepEqual(tensors[0].shape, shape);
    assert.deepEqual((await file.read(tensors[0])).data, data, name);
  }
}

/** The keys of a PyTorch file's root, and its plain entries. */
async function rootOf(path: string): Promise<{ keys: string[]; entry: (key: string) => JsonObject }> {
  await using file = await openTorchFile(path);
  const root = file.root as ReadonlyMap<string, TorchDict>;
  return {
    keys: [...root.keys()].sort(),
    entry: (key) => torchToJson(root.get(key)!) as unknown as JsonObject,
  };
}

Deno.test("exportModel() writes an S3D run as nnssl's dictionaries, and reading them gives the run back", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, out = `${folder.path}/out/checkpoint_final.pth`;
  await Deno.mkdir(`${folder.path}/out`);
  const weights = await writePretrainedRun(run);
  const summary = await exportModel({ from: run, format: "nnssl", out });
  assert.deepEqual(summary.files.map((path) => path.split("/").at(-1)), [
    "checkpoint_final.pth",
    "adaptation_plan.json",
    "README.md",
  ]);
  const values = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  assert.equal(summary.parameters, values);
  assert.ok(summary.bytes < 4 * values + 200_000, `every tensor is stored once: ${summary.bytes} bytes`);
  await assertState(out, "network_weights", weights);

  const { keys, entry } = await rootOf(out);
  assert.deepEqual(keys, [
    "current_epoch",
    "init_args",
    "network_weights",
    "nnssl_adaptation_plan",
    "spark_weights",
    "trainer_name",
  ]);
  assert.equal(entry("trainer_name"), "SparkMAETrainer");
  assert.equal(entry("current_epoch"), 2);
  const plan = entry("nnssl_adaptation_plan");
  const { trainer_name: _name, ...beside } = JSON.parse(
    await Deno.readTextFile(`${folder.path}/out/adaptation_plan.json`),
  );
  assert.deepEqual(plan, beside);
  const pretrain = plan.pretrain_plan as JsonObject;
  assert.deepEqual(Object.keys(pretrain), [
    "dataset_name",
    "plans_name",
    "original_median_spacing_after_transp",
    "image_reader_writer",
    "transpose_forward",
    "transpose_backward",
    "configurations",
    "experiment_planner_used",
  ]);
  assert.equal(pretrain.image_reader_writer, "NibabelIOWithReorient");
  assert.deepEqual((entry("init_args") as { pretrain_json: JsonObject }).pretrain_json.datasets, {});

  await using again = await readModel(out);
  assert.deepEqual([again.kind, again.report.missing, again.report.conflicts], ["s3d", [], []]);
  assert.equal(again.adaptationPlan!.pretrain_plan.orientation, "RAS");
  for (const [name, { data }] of weights) assert.deepEqual(await again.tensors.get(name)!.read(), data, name);
});

Deno.test("exportModel() gives a dense MAE no spark_weights, and its variant of S3D nnssl's trainer", async () => {
  using folder = temporaryFolder();
  const wanted = { "mae": "BaseMAETrainer", "s3d-efficient": "EffSparkMAETrainer" };
  for (const [kind, trainer] of Object.entries(wanted)) {
    const run = `${folder.path}/${kind}`, out = `${folder.path}/${kind}.pth`;
    const weights = await writePretrainedRun(run, { network: { kind } });
    await exportModel({ from: run, format: "nnssl", out, card: null });
    await assertState(out, "network_weights", weights);
    const { keys, entry } = await rootOf(out);
    assert.equal(keys.includes("spark_weights"), kind !== "mae");
    assert.equal(entry("trainer_name"), trainer);
  }
});

Deno.test("exportModel() writes a segmentation run as nnU-Net's model folder", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, model = `${folder.path}/model`;
  await Deno.mkdir(`${model}/fold_0`, { recursive: true });
  const weights = await writeSegmentationRun(run, { deepSupervision: true });
  const out = `${model}/fold_0/checkpoint_final.pth`;
  const { files } = await exportModel({ from: run, format: "nnunet", out });
  assert.deepEqual(files, [
    out,
    `${model}/plans.json`,
    `${model}/dataset.json`,
    `${model}/fold_0/README.md`,
  ]);
  await assertState(out, "network_weights", weights);
  const { keys, entry } = await rootOf(out);
  assert.deepEqual(keys, [
    "current_epoch",
    "inference_allowed_mirroring_axes",
    "init_args",
    "network_weights",
    "nnssl_adaptation_plan",
    "trainer_name",
  ]);
  assert.equal(entry("trainer_name"), "nnUNetTrainer");
  assert.deepEqual(entry("inference_allowed_mirroring_axes"), [0, 2]);
  const { plans, configuration, fold, dataset_json } = entry("init_args") as Record<string, JsonObject>;
  assert.deepEqual([configuration, fold], ["3d_fullres", 0]);
  assert.deepEqual(plans, JSON.parse(await Deno.readTextFile(`${model}/plans.json`)));
  assert.deepEqual(dataset_json, JSON.parse(await Deno.readTextFile(`${model}/dataset.json`)));
  assert.deepEqual(dataset_json.labels, { background: 0, shell: 1, core: 2 });
  assert.deepEqual(plans.pretrain_info, { checkpoint_name: "first" });
  assert.equal("orientation" in plans, false);
  assert.equal((await readPlans(`${model}/plans.json`)).orientation, "RAS", "the reader tells the axes");

  await exportModel({ from: run, format: "nnunet", out, card: null }); // the same again fits
  await Deno.writeTextFile(`${model}/plans.json`, "{}");
  await assert.rejects(exportModel({ from: run, format: "nnunet", out }), {
    name: "DataError",
    message: /Cannot write .*plans\.json: found another file of that name.*name a fold folder/,
  });
});

Deno.test("exportModel() gives nnU-Net the weights of a pre-training run, but not of one without skips", async () => {
  using folder = temporaryFolder();
  const out = `${folder.path}/first.pth`;
  const weights = await writePretrainedRun(`${folder.path}/run`);
  const { notes } = await exportModel({ from: `${folder.path}/run`, format: "nnunet", out });
  await assertState(out, "network_weights", weights);
  assert.deepEqual((await rootOf(out)).keys, [
    "current_epoch",
    "network_weights",
    "nnssl_adaptation_plan",
    "trainer_name",
  ]);
  assert.match(notes.join("\n"), /serves -pretrained_weights, not prediction\n.*tokens/);
  const bare = `${folder.path}/bare`;
  await writePretrainedRun(bare, { network: { kind: "mae", preset: "resenc-l-noskip" } });
  await assert.rejects(exportModel({ from: bare, format: "nnunet", out }), {
    name: "ExportError",
    message:
      /^Cannot export .*bare as nnunet: found a network without skip connections[^\n]*: export it as nnssl/,
  });
});

Deno.test("exportModel() writes safetensors that fine-tuning and prediction read, with their provenance", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, seg = `${folder.path}/seg`, out = `${folder.path}/out.safetensors`;
  const weights = await writePretrainedRun(run);
  await exportModel({ from: run, format: "safetensors", out, licence: "CC-BY-4.0" });
  const { metadata, tensors } = await readSafetensorsHeader(out);
  assert.deepEqual([...tensors.keys()].sort(), [...weights.keys()].sort(), "no state of an optimiser");
  assert.equal(metadata.licence, "CC-BY-4.0");
  const provenance = JSON.parse(metadata.provenance);
  assert.deepEqual([provenance.method, provenance.steps, provenance.epochs, provenance.seed], [
    "s3d",
    6,
    2,
    0,
  ]);
  assert.deepEqual([provenance.adapter, provenance.trainedBy], ["Test adapter", "spark3d 0.0.1"]);
  const { volumes, train, val, modalities } = provenance.data;
  assert.deepEqual([volumes, train, val, modalities], [3, 2, 1, { FLAIR: 1, T1w: 2 }]);
  const parameters = [...weights].map(([name, { shape }]) => ({ name, shape }))
    .filter(({ name }) => name.startsWith("encoder."));
  const { values } = await transferWeights({ checkpoint: out, parameters });
  for (const { name } of parameters) assert.deepEqual(values.get(name), weights.get(name)!.data);

  const again = `${folder.path}/again.safetensors`;
  const imported = `${folder.path}/imported.safetensors`;
  await importModel(out, imported);
  await exportModel({ from: imported, format: "safetensors", out: again });
  for (const copy of [imported, again]) {
    const { metadata: kept } = await readSafetensorsHeader(copy);
    assert.deepEqual([kept.licence, JSON.parse(kept.provenance)], ["CC-BY-4.0", provenance], copy);
  }
  assert.match(await Deno.readTextFile(`${folder.path}/README.md`), /^license: CC-BY-4\.0$/m);
  await assert.rejects(
    exportModel({ from: out, format: "nnssl", out: again, licence: "mine\nbase_model: x" }),
    { name: "ExportError", message: /found licence "mine\\nbase_model: x": name it by its SPDX identifier$/ },
  );

  const segmentation = await writeSegmentationRun(seg);
  await exportModel({ from: seg, format: "safetensors", out });
  const model = await readFinetuned(out);
  assert.deepEqual(model.config.augmentation.mirrorAxes, [0, 2]);
  assert.equal(model.plans.orientation, "RAS");
  for (const [name, { data }] of segmentation) assert.deepEqual(model.weights.get(name), data);
});

Deno.test("exportModel() names no subject, case or path of the training data in any form", async () => {
  using folder = temporaryFolder();
  await writePretrainedRun(`${folder.path}/pretrained`);
  await writeSegmentationRun(`${folder.path}/segmentation`);
  for (const kind of ["pretrained", "segmentation"]) {
    for (const format of exportFormats) {
      const out = `${folder.path}/${kind}_${format}/fold_0`;
      await Deno.mkdir(out, { recursive: true });
      const { files } = await exportModel({ from: `${folder.path}/${kind}`, format, out: `${out}/weights` });
      for (const path of files) {
        const bytes = await Deno.readFile(path);
        const text = new TextDecoder("latin1").decode(bytes);
        for (const secret of [SECRET, folder.path]) {
          assert.equal(text.includes(secret), false, `${path} names ${secret}`);
        }
      }
    }
  }
});

Deno.test("exportModel() writes ONNX with what a caller needs to know, and one part alone", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, out = `${folder.path}/model.onnx`;
  const weights = await writePretrainedRun(run);
  const whole = await exportModel({ from: run, format: "onnx", out });
  const text = new TextDecoder("latin1").decode(await Deno.readFile(out));
  for (
    const fact of [
      "reconstruction",
      "normalization",
      '["ZScoreNormalization"]',
      "spark3d-provenance-1",
    ]
  ) {
    assert.ok(text.includes(fact), `${fact} in the file`);
  }
  const encoder = await exportModel({
    from: run,
    format: "onnx",
    out,
    part: "encoder",
    batch: 1,
    patch: [16, 16, 16],
  });
  const values = [...weights].filter(([name]) => name.startsWith("encoder."))
    .reduce((sum, [, { data }]) => sum + data.length, 0);
  assert.ok(
    encoder.bytes > 4 * values && encoder.bytes < whole.bytes,
    `${encoder.bytes} of ${whole.bytes} bytes`,
  );
  assert.equal(encoder.parameters, values);
  await writeSegmentationRun(`${folder.path}/seg`);
  await exportModel({ from: `${folder.path}/seg`, format: "onnx", out });
  assert.match(await Deno.readTextFile(out), /use_mask_for_norm[^]{0,4}\[false\]/);
  await assert.rejects(
    exportModel({ from: `${folder.path}/seg`, format: "onnx", out, part: "reconstruction" }),
    { name: "ExportError", message: /found a network that does not reconstruct: use --part encoder/ },
  );
});

Deno.test("exportModel() and importModel() write over nothing that is read, kept, or written beside it", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, final = `${run}/checkpoints/final.safetensors`;
  await writePretrainedRun(run);
  const source = `${folder.path}/model.safetensors`;
  await importModel(run, source);
  await Deno.symlink(folder.path, `${folder.path}/linked`);
  const before = [await Deno.readFile(final), await Deno.readFile(source)];
  const refuses = (work: Promise<unknown>, found: string) =>
    assert.rejects(work, {
      name: "DataError",
      message: new RegExp(`^Cannot write .*: found ${found}, wanted `),
    });
  const out = `${folder.path}/a.pth`;
  const request = { from: source, format: "nnssl", out } as const;
  await refuses(exportModel({ ...request, card: source }), "the file that is read");
  await refuses(
    exportModel({ ...request, out: `${folder.path}/linked/model.safetensors` }),
    "the file that is read",
  );
  await refuses(exportModel({ ...request, card: out }), "another file that is written");
  await refuses(
    exportModel({ ...request, out: `${folder.path}/adaptation_plan.json` }),
    "another file that is written",
  );
  await refuses(exportModel({ ...request, out: `${folder.path}/README.md` }), "another file that is written");
  await refuses(
    exportModel({ ...request, out: `${run}/checkpoints/a.pth` }),
    "a place for checkpoints of a run",
  );
  await refuses(exportModel({ ...request, out: run }), "a folder");
  await refuses(importModel(source, source), "the file that is read");
  await refuses(importModel(source, final), "a place for checkpoints of a run");
  assert.deepEqual([await Deno.readFile(final), await Deno.readFile(source)], before);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), [
    "linked",
    "model.safetensors",
    "run",
  ]);
});
