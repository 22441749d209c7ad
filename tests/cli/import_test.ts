import assert from "node:assert/strict";
import { writeTorchFile } from "../../data/torch/mod.ts";
import { isotropic } from "../../model/config.ts";
import { readFinetuned } from "../../train/finetune/checkpoint.ts";
import { hasAdapter } from "../support/gpu.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { tinyModel, writeModel, writeScans } from "../train/predict/tiny_model.ts";
import { pretrainPlan, sameBytes } from "../train/tiny_run.ts";
import {
  noiseWeights,
  stateDict,
  type Weights,
  writeTorchCheckpoint,
} from "../train/interop/torch_checkpoint.ts";

const network = isotropic({ features: [3, 4, 5], blocks: [1, 2, 1] });

Deno.test("import takes over a checkpoint, warns of what it lacks, and says in one line what is no network", async () => {
  using folder = temporaryFolder();
  const cwd = folder.path;
  const run = (...args: string[]) => spawnSpark3d(args, { cwd, measured: true });
  await writeTorchCheckpoint(`${cwd}/bare.pth`, stateDict(noiseWeights("network", network)));
  const bare = await run("import", "bare.pth", "--out", "models/bare.safetensors", "--json");
  assert.equal(bare.code, 0, bare.stderr);
  const facts = JSON.parse(bare.stdout);
  assert.deepEqual(
    [facts.ok, facts.out, facts.model.kind, facts.model.architectureSource, facts.model.adaptationPlan],
    [true, "models/bare.safetensors", "network", "shapes", null],
  );
  assert.deepEqual([facts.tensors, facts.model.keys.used], [facts.model.tensors, facts.model.tensors]);
  assert.match(
    bare.stderr,
    /^warning: models\/bare\.safetensors has no adaptation plan, .*--plans PLANS\.json$/m,
  );

  await Deno.writeTextFile(`${cwd}/nnsslPlans.json`, JSON.stringify(pretrainPlan([16, 16, 16])));
  const planned = ["import", "bare.pth", "--out", "model.safetensors", "--plans", "nnsslPlans.json"];
  const found = await run(...planned);
  assert.equal(found.code, 0, found.stderr);
  assert.equal(found.stderr, "");
  assert.match(found.stdout, /^bare\.pth: file of PyTorch$/m);
  assert.match(found.stdout, /^adaptation plan: trained on Tiny, onemmiso, 1 x 1 x 1 mm, /m);
  assert.match(found.stdout, /^\d+ tensors in model\.safetensors$/m);

  await writeTorchFile(`${cwd}/other.pth`, new Map([["epoch", 3]]));
  const refused = await run("import", "other.pth", "--out", "other.safetensors");
  assert.deepEqual([refused.code, refused.stdout], [1, ""]);
  assert.match(
    refused.stderr,
    /^error: Cannot read a network from other\.pth: found no tensors, wanted those of a U-Net: .*\n$/,
  );
  const named = await run("import", "bare.pth", "--out", "model.pth");
  assert.equal(named.code, 2);
  assert.match(named.stderr, /^error: Cannot write model\.pth: wanted a name that ends in \.safetensors/);
});

Deno.test({
  name: "an imported network of nnU-Net segments as the run that it equals",
  ignore: !hasAdapter,
  fn: async () => {
    using folder = temporaryFolder();
    const cwd = folder.path;
    const run = (...args: string[]) => spawnSpark3d(args, { cwd });
    await Deno.mkdir(`${cwd}/scans`);
    await writeScans(`${cwd}/scans`, [[9, 10, 11]]);
    const model = tinyModel(20);
    await writeModel(`${cwd}/run`, model);
    const shapes = noiseWeights("segmentation", model.network);
    const weights: Weights = new Map(
      [...shapes].map(([name, tensor]) => [name, {
        ...tensor,
        data: model.weights.get(name)! as Float32Array<ArrayBuffer>,
      }]),
    );
    const name = model.config.configuration;
    const configuration = { ...model.configuration, patch_size: model.config.patch };
    const { plans } = model;
    await writeTorchCheckpoint(`${cwd}/checkpoint_final.pth`, stateDict(weights), {
      init_args: {
        plans: { ...plans, configurations: { [name]: configuration } },
        configuration: name,
        fold: 0,
        dataset_json: model.dataset,
      },
      trainer_name: "nnUNetTrainer",
      inference_allowed_mirroring_axes: [0, 2],
    });
    const imported = await run("import", "checkpoint_final.pth", "--out", "model.safetensors");
    assert.equal(imported.code, 0, imported.stderr);
    assert.deepEqual((await readFinetuned(`${cwd}/model.safetensors`)).labels, model.labels);
    const segmentations: Uint8Array[] = [];
    for (const from of ["run", "model.safetensors"]) {
      const out = `seg_${segmentations.length}`;
      const found = await run("predict", "scans", "--model", from, "--out", out);
      assert.equal(found.code, 0, found.stderr);
      segmentations.push(await Deno.readFile(`${cwd}/${out}/scan0.nii.gz`));
    }
    assert.ok(sameBytes(segmentations[1], segmentations[0]));
    const direct = await run("predict", "scans", "--model", "checkpoint_final.pth", "--out", "seg");
    assert.equal(direct.code, 1);
    assert.match(
      direct.stderr,
      /found a file of PyTorch, .*: import it first: spark3d import checkpoint_final\.pth/,
    );
  },
});
