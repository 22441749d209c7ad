import assert from "node:assert/strict";
import { readSafetensors } from "../../../data/safetensors_file.ts";
import { CheckpointError } from "../../../train/checkpoint_state.ts";
import { adaptationPlan } from "../../../train/adaptation_plan.ts";
import { readFinetuned } from "../../../train/finetune/checkpoint.ts";
import { adaptPlans, readPretrained } from "../../../train/finetune/plan_modes.ts";
import { resolveFinetuneConfig } from "../../../train/finetune/resolve_config.ts";
import { transferWeights } from "../../../train/finetune/transfer.ts";
import { exportModel } from "../../../train/interop/export_model.ts";
import { importModel } from "../../../train/interop/import_model.ts";
import { modelParameters } from "../../../train/interop/parameters.ts";
import { nnunetMirrorAxes } from "../../../train/interop/nnunet_checkpoint.ts";
import { readModel } from "../../../train/interop/read_model.ts";
import { ModelFileError } from "../../../train/interop/types.ts";
import { mirroredAxes, requireEnsemble } from "../../../train/predict/ensemble.ts";
import { isotropic } from "../../../model/config.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { blobDataset, blobPlans, labelsOf } from "../finetune/tiny_finetune.ts";
import { networkFromPlan } from "../../../train/finetune/network_from_plan.ts";
import { pretrainPlan, sameBytes } from "../tiny_run.ts";
import { noiseWeights, stateDict, writeTorchCheckpoint } from "./torch_checkpoint.ts";

const network = isotropic({ features: [3, 4, 5], blocks: [1, 2, 1] });

Deno.test("importModel() writes what fine-tuning starts from, the same bytes every time", () =>
  withFolder(async (folder) => {
    const source = `${folder}/published.pth`, out = `${folder}/model.safetensors`;
    const weights = noiseWeights("mae", network);
    const plan = adaptationPlan(network, [16, 16, 16], pretrainPlan([8, 8, 8]));
    await writeTorchCheckpoint(source, stateDict(weights), {
      nnssl_adaptation_plan: plan,
      trainer_name: "BaseMAETrainer",
    });
    const { model, tensors, parameters, bytes } = await importModel(source, out);
    assert.equal(model.kind, "mae");
    assert.equal(tensors, weights.size);
    assert.equal(parameters, [...weights.values()].reduce((sum, { data }) => sum + data.length, 0));
    assert.equal(bytes, (await Deno.stat(out)).size);
    const checkpoint = await readPretrained(out);
    assert.deepEqual(checkpoint.adaptationPlan, plan);
    const adapted = adaptPlans(blobPlans(1), "like-pretrained", { checkpoint });
    const config = resolveFinetuneConfig({
      start: "pretrained",
      plan: {
        name: "3d_fullres",
        configuration: adapted.configurations["3d_fullres"],
        inputChannels: 1,
        outputs: 3,
      },
    });
    assert.deepEqual(
      [config.network.features, config.network.blocks, config.patch],
      [network.features, network.blocks, [16, 16, 16]],
    );
    const wanted = modelParameters("network", { ...network, inputChannels: 2, outputChannels: 3 });
    const { values, report } = await transferWeights({
      checkpoint: out,
      parameters: wanted,
      transferDecoder: true,
    });
    assert.deepEqual(report.adapted, ["encoder.stem.convs.0.conv.weight"]);
    for (const name of report.transferred) {
      assert.ok(sameBytes(values.get(name)!, weights.get(name)!.data), name);
    }
    const before = await Deno.readFile(out);
    await importModel(source, out);
    assert.ok(sameBytes(await Deno.readFile(out), before), "imported twice");

    const again = `${folder}/again.safetensors`;
    const second = await importModel(out, again);
    assert.ok(sameBytes(await Deno.readFile(again), before), "an import of an import");
    assert.deepEqual(second.model.trained, model.trained);
    await assert.rejects(readFinetuned(out), (error: Error) => {
      assert.ok(error instanceof CheckpointError);
      return /weights without labels, wanted a segmentation network: fine-tune it first/.test(error.message);
    });
    await assert.rejects(
      readFinetuned(source),
      /found a file of PyTorch, .*: import it first: spark3d import /,
    );
    await assert.rejects(readModel(`${folder}/missing.pth`), /Cannot read a checkpoint from .*no such file/);
  }));

Deno.test("importModel() makes a network of nnU-Net one that predicts", () =>
  withFolder(async (folder) => {
    const plans = blobPlans(1);
    const configuration = plans.configurations["3d_fullres"];
    const labels = labelsOf(blobDataset);
    const segmentation = networkFromPlan(configuration, 1, labels.outputs, false);
    const weights = noiseWeights("segmentation", segmentation);
    const rest = {
      init_args: { plans, configuration: "3d_fullres", fold: 2, dataset_json: blobDataset },
      trainer_name: "nnUNetTrainer",
      inference_allowed_mirroring_axes: [1, 2],
    };
    const source = `${folder}/checkpoint_final.pth`, out = `${folder}/model.safetensors`;
    await writeTorchCheckpoint(source, stateDict(weights), rest);
    const { model } = await importModel(source, out);
    assert.deepEqual(
      [model.kind, model.origin, model.architectureSource, model.configuration, model.trained.fold],
      ["segmentation", "nnunet", "plans", "3d_fullres", 2],
    );
    const read = await readFinetuned(out);
    assert.deepEqual(read.network, segmentation);
    assert.deepEqual(read.labels, labels);
    assert.deepEqual(read.configuration, JSON.parse(JSON.stringify(configuration)));
    assert.deepEqual([read.config.patch, read.config.fold], [configuration.patch_size, 2]);
    assert.deepEqual(mirroredAxes(read), [1, 2]);
    for (const [name, { data }] of weights) assert.ok(sameBytes(read.weights.get(name)!, data), name);
    await using file = await readModel(out);
    assert.deepEqual([file.kind, file.network, file.plans], ["segmentation", segmentation, read.plans]);

    // Plans and labels beside the file, as nnU-Net leaves them one folder above.
    await Deno.mkdir(`${folder}/results/fold_0`, { recursive: true });
    await Deno.writeTextFile(`${folder}/results/plans.json`, JSON.stringify(plans));
    await Deno.writeTextFile(`${folder}/results/dataset.json`, JSON.stringify(blobDataset));
    const bare = `${folder}/results/fold_0/checkpoint_best.pth`;
    await writeTorchCheckpoint(bare, stateDict(weights));
    const beside = await importModel(bare, `${folder}/beside.safetensors`);
    assert.equal(beside.model.kind, "segmentation");
    assert.match(
      beside.model.notes.join("\n"),
      /^The plans are those in .*results\/fold_0\/\.\.\/plans\.json$/m,
    );
    assert.deepEqual(mirroredAxes(await readFinetuned(`${folder}/beside.safetensors`)), [0, 1, 2]);
    await exportModel({ from: bare, format: "nnunet", out: `${folder}/handed_over.pth` });
    const card = await Deno.readTextFile(`${folder}/README.md`);
    assert.ok(!card.includes(folder) && !card.includes("plans are those"), "the card names no place");

    const { channel_names, ...unnamed } = blobDataset;
    const init_args = { ...rest.init_args, dataset_json: { ...unnamed, modality: channel_names } };
    await writeTorchCheckpoint(source, stateDict(weights), { ...rest, init_args });
    await importModel(source, out);
    const old = await readFinetuned(out);
    assert.equal(requireEnsemble([old]), old, "channels by their old name do to predict");
    await exportModel({ from: out, format: "nnunet", out: `${folder}/renewed.pth` });
    await using renewed = await readModel(`${folder}/renewed.pth`);
    assert.deepEqual([renewed.kind, renewed.dataset?.channel_names], ["segmentation", channel_names]);

    const { inference_allowed_mirroring_axes: _axes, ...silent } = rest;
    for (const unmirrored of [{ ...rest, inference_allowed_mirroring_axes: null }, silent]) {
      await writeTorchCheckpoint(source, stateDict(weights), unmirrored);
      await importModel(source, out);
      assert.deepEqual(mirroredAxes(await readFinetuned(out)), [], "as nnU-Net's predictor reads it");
      await using theirs = await readModel(source);
      assert.deepEqual(nnunetMirrorAxes(theirs), []);
    }
  }));

Deno.test("readModel() calls no network one that segments where its inputs or outputs are not those of the data set", () =>
  withFolder(async (folder) => {
    const plans = blobPlans(1), full = plans.configurations["3d_fullres"];
    const source = `${folder}/checkpoint_final.pth`;
    const requireNote = async (changes: object, inputs: number, note: RegExp) => {
      const weights = noiseWeights("segmentation", networkFromPlan(full, inputs, 3, false));
      const init_args = {
        plans,
        configuration: "3d_fullres",
        fold: 0,
        dataset_json: blobDataset,
        ...changes,
      };
      await writeTorchCheckpoint(source, stateDict(weights), { init_args });
      await using model = await readModel(source);
      assert.equal(model.kind, "network");
      assert.match(model.notes.join("\n"), note);
    };
    const dataset_json = { ...blobDataset, labels: { background: 0, blob: 1 } };
    await requireNote(
      { dataset_json },
      1,
      /The labels were left out: dataset\.json has 2 outputs, the network 3/,
    );
    await requireNote(
      {},
      2,
      /The labels were left out: dataset\.json has 1 channel_names, the network 2 inputs/,
    );
    const cascade = { ...full, previous_stage: "3d_lowres" };
    const configuration = "3d_cascade_fullres";
    await requireNote(
      { configuration, plans: { ...plans, configurations: { [configuration]: cascade } } },
      1,
      /The labels were left out: 3d_cascade_fullres also takes the segmentation of 3d_lowres/,
    );
  }));

Deno.test("importModel() takes a plain network, whose first convolution is its stem", () =>
  withFolder(async (folder) => {
    const source = `${folder}/plain.pth`, out = `${folder}/plain.safetensors`;
    const plain = isotropic({
      encoder: "plain",
      features: [3, 4],
      blocks: [2, 2],
      decoderConvs: [2],
      kernels: [[1, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [1, 2, 2]],
    });
    const weights = noiseWeights("network", plain);
    const plans = `${folder}/plans_of_the_data.json`;
    await Deno.writeTextFile(plans, JSON.stringify(pretrainPlan([8, 8, 8])));
    await writeTorchCheckpoint(source, stateDict(weights, { prefix: "module." }));
    const { model } = await importModel(source, out, { plans });
    assert.deepEqual([model.network, model.architectureSource], [plain, "shapes"]);
    assert.equal(model.adaptationPlan?.key_to_stem, "encoder.stages.0.0");
    const wanted = modelParameters("network", { ...plain, inputChannels: 3 });
    const { report } = await transferWeights({ checkpoint: out, parameters: wanted });
    assert.deepEqual(report.adapted, ["encoder.stages.0.0.convs.0.conv.weight"]);
  }));

Deno.test("importModel() takes an encoder alone, and refuses an incomplete one without leaving a file", () =>
  withFolder(async (folder) => {
    const source = `${folder}/part.pth`, out = `${folder}/part.safetensors`;
    const weights = noiseWeights("network", network);
    const encoder = new Map([...weights].filter(([name]) => name.startsWith("encoder.")));
    const plan = adaptationPlan(network, [16, 16, 16], pretrainPlan([8, 8, 8]));
    await writeTorchCheckpoint(source, stateDict(encoder), { nnssl_adaptation_plan: plan });
    const { model } = await importModel(source, out);
    assert.equal(model.architectureSource, "adaptation plan");
    assert.deepEqual(model.report.missing, [...weights.keys()].filter((name) => !encoder.has(name)));
    assert.deepEqual([...(await readSafetensors(out)).tensors.keys()].sort(), [...encoder.keys()].sort());
    await Deno.remove(out);
    const lost = "encoder.stages.1.blocks.0.conv2.norm.bias";
    encoder.delete(lost);
    await writeTorchCheckpoint(source, stateDict(encoder), { nnssl_adaptation_plan: plan });
    await assert.rejects(importModel(source, out), (error: Error) => {
      assert.ok(error instanceof ModelFileError);
      assert.match(
        error.message,
        /found 1 tensors missing \(encoder\.stages\.1\..*norm\.bias\), wanted a complete encoder/,
      );
      return true;
    });
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["part.pth"]);
  }));
