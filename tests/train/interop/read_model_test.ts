import assert from "node:assert/strict";
import { writeSafetensors } from "../../../data/safetensors_file.ts";
import { torchOrderedDict, type TorchWritable, writeTorchFile } from "../../../data/torch/mod.ts";
import { isotropic } from "../../../model/config.ts";
import { adaptationPlan } from "../../../train/adaptation_plan.ts";
import { describeModel } from "../../../train/interop/describe_model.ts";
import { importModel } from "../../../train/interop/import_model.ts";
import { readModel } from "../../../train/interop/read_model.ts";
import { ModelFileError } from "../../../train/interop/types.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { blobPlans } from "../finetune/tiny_finetune.ts";
import { pretrainPlan, sameBytes } from "../tiny_run.ts";
import { noiseWeights, stateDict, type Weights, writeTorchCheckpoint } from "./torch_checkpoint.ts";

const network = isotropic({ features: [3, 4, 5], blocks: [1, 2, 1] });
const patch = [8, 8, 8] as const;

async function requireWeights(path: string, weights: Weights): Promise<void> {
  await using model = await readModel(path);
  assert.deepEqual([...model.tensors.keys()].sort(), [...weights.keys()].sort());
  for (const [name, tensor] of model.tensors) {
    assert.ok(sameBytes(await tensor.read(), weights.get(name)!.data), name);
  }
}

Deno.test("readModel() takes the trained copies of a sparse encoder and accounts for every key", () =>
  withFolder(async (folder) => {
    const path = `${folder}/checkpoint_final.pth`;
    const weights = noiseWeights("s3d", network);
    const unet: Weights = new Map([...weights].filter(([name]) => /^(en|de)coder\./.test(name)));
    const dict = stateDict(unet, { untrainedCopies: true });
    const [whole] = [stateDict(unet, { prefix: "architecture.", untrainedCopies: true })];
    for (const [name, tensor] of weights) if (!unet.has(name)) whole.set(name, tensor);
    await writeTorchCheckpoint(path, dict, {
      trainer_name: "SparkMAETrainer",
      current_epoch: 7,
      init_args: { plan: { ...pretrainPlan([...patch]) }, configuration_name: "onemmiso", fold: 0 },
      logging: { train_losses: [0.5, 0.25], val_losses: [0.75, 0.5] },
    });
    await using alone = await readModel(path);
    assert.equal(alone.kind, "network", "without tokens it reconstructs nothing");
    assert.deepEqual([alone.origin, alone.format, alone.leakyStem], ["nnssl", "torch", false]);

    const complete = `${folder}/whole.pth`;
    await writeTorchFile(
      complete,
      new Map([["network_weights", torchOrderedDict(dict)], ["spark_weights", torchOrderedDict(whole)]]),
    );
    await requireWeights(complete, weights);
    await using model = await readModel(complete);
    const { report } = model;
    assert.equal(model.kind, "s3d");
    assert.deepEqual(report.missing, []);
    const keys = [...report.used, ...report.aliases, ...report.skipped].map(({ key }) => key).sort();
    const all = [...dict.keys()].map((key) => `network_weights/${key}`);
    assert.deepEqual(keys, [...all, ...[...whole.keys()].map((key) => `spark_weights/${key}`)].sort());
    assert.ok(
      report.used.some(({ key }) => key === "network_weights/encoder.stem.convs.0.all_modules.0.weight"),
    );
    const untrained = [...unet.keys()].filter((name) => name.startsWith("encoder."));
    assert.deepEqual([...report.conflicts].sort(), untrained.sort());
    assert.equal(report.skipped.length, 4 * untrained.length, "two dictionaries, twice each");
    assert.ok(report.skipped.every(({ reason }) => reason.startsWith("untrained copy")));

    const { trained, adaptationPlan: plan } = alone;
    assert.deepEqual([trained.trainer, trained.epochs, trained.fold], ["SparkMAETrainer", 7, 0]);
    assert.deepEqual([trained.trainLosses, trained.valLosses], [[0.5, 0.25], [0.75, 0.5]]);
    assert.deepEqual(plan, adaptationPlan(network, [...patch], pretrainPlan([...patch])));
    const facts = describeModel(alone);
    assert.deepEqual(facts.keys.skipped.map(({ count }) => count), [2 * untrained.length]);
    assert.equal(facts.parameters.encoder + facts.parameters.decoder, facts.parameters.total);
  }));

Deno.test("readModel() reads half precision, wrappers and bare state dicts", () =>
  withFolder(async (folder) => {
    const weights = noiseWeights("network", network);
    const exact: Weights = new Map(
      [...weights].map((
        [name, tensor],
      ) => [name, { ...tensor, data: tensor.data.map((v) => Math.fround(Math.round(v * 64) / 64)) }]),
    );
    const halves = new Map([...exact].map(([name, tensor]) => [
      `module._orig_mod.${name}`,
      { ...tensor, dtype: "F16" as const, data: Float16Array.from(tensor.data) },
    ]));
    await writeTorchFile(`${folder}/half.pth`, torchOrderedDict(halves));
    await requireWeights(`${folder}/half.pth`, exact);
    const wide = new Map([...weights].map(([name, { shape, data }]) => [
      name,
      { dtype: "F64" as const, shape, data: Float64Array.from(data) },
    ]));
    await writeSafetensors(`${folder}/wide.safetensors`, wide);
    await requireWeights(`${folder}/wide.safetensors`, weights);
    const bits = new Map([...exact].map(([name, { shape, data }]) => {
      const words = new Uint32Array(data.buffer.slice(0)).map((word) => word >>> 16);
      return [name, { dtype: "BF16" as const, shape, data: Uint16Array.from(words) }];
    }));
    await writeSafetensors(`${folder}/brain.safetensors`, bits);
    const cut: Weights = new Map([...exact].map(([name, tensor]) => {
      const words = new Uint32Array(tensor.data.buffer.slice(0)).map((word) => word & 0xffff0000);
      return [name, { ...tensor, data: new Float32Array(words.buffer) }];
    }));
    await requireWeights(`${folder}/brain.safetensors`, cut);
  }));

Deno.test("readModel() lets tensors decide where a plan contradicts them, unless the plan was named", () =>
  withFolder(async (folder) => {
    const weights = noiseWeights("network", network);
    const other = isotropic({ features: [3, 4, 9], blocks: [1, 2, 1] });
    const plan = adaptationPlan(other, [16, 16, 16], pretrainPlan([8, 8, 8]));
    const path = `${folder}/model.pth`;
    await writeTorchCheckpoint(path, stateDict(weights), { nnssl_adaptation_plan: plan });
    await using model = await readModel(path);
    assert.equal(model.architectureSource, "shapes");
    assert.deepEqual(model.network, network);
    assert.match(model.notes.join("\n"), /^Found an adaptation plan of .* 3, 4, 9.* the tensors count$/m);
    assert.deepEqual(model.adaptationPlan, adaptationPlan(network, [16, 16, 16], pretrainPlan([8, 8, 8])));
    await Deno.writeTextFile(`${folder}/named.json`, JSON.stringify(plan));
    await assert.rejects(
      readModel(path, { plans: `${folder}/named.json` }),
      /^ModelFileError: Cannot read a network from .*: found an.* features 3, 4, 9, .*wanted the same network/,
    );
  }));

Deno.test("readModel() names what it cannot use in one line", () =>
  withFolder(async (folder) => {
    const weights = new Map(noiseWeights("network", network));
    const at = (name: string) => `${folder}/${name}.pth`;
    const refused = async (name: string, message: RegExp) => {
      const error: Error = await readModel(at(name)).then(() => assert.fail("it was read"), (e) => e);
      assert.ok(error instanceof ModelFileError, String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
    };
    await writeTorchCheckpoint(
      at("other"),
      new Map([["eva.blocks.0.weight", weights.values().next().value!]]),
    );
    await refused(
      "other",
      /found no tensor of a U-Net, but network_weights\/eva\.blocks\.0\.weight, wanted its enc/,
    );
    await writeTorchCheckpoint(at("wrapped"), stateDict(weights, { prefix: "model." }));
    await refused(
      "wrapped",
      /tensors below network_weights\/model\., wanted .*: save its state_dict\(\) without/,
    );
    await writeTorchFile(at("empty"), new Map([["epoch", 3]]));
    await refused("empty", /found no tensors, wanted those of a U-Net: save its state_dict\(\)$/);
    const [norm] = [...weights].filter(([name]) => name.endsWith("norm.weight"));
    const shape = [norm[1].shape[0] + 1];
    const wrong = { ...norm[1], shape, data: new Float32Array(shape[0]) };
    await writeTorchCheckpoint(at("shape"), stateDict(new Map([...weights, [norm[0], wrong]])));
    await refused("shape", /found network_weights\/.* as F32 \[\d\], wanted floating-point numbers \[\d\]: /);
    const whole = { ...norm[1], dtype: "I64" as const, data: new BigInt64Array(norm[1].shape[0]) };
    await writeTorchCheckpoint(
      at("integers"),
      new Map<string, TorchWritable>([...weights, [norm[0], whole]]),
    );
    await refused("integers", /as I64 \[\d\], wanted floating-point numbers/);
    await assert.rejects(readModel(`${folder}/none`), /Cannot read a checkpoint from .*none/);
  }));

Deno.test("readModel() refuses a file whose plans name layers that are not computed, instead of its plans", () =>
  withFolder(async (folder) => {
    const path = `${folder}/model.pth`;
    const weights = stateDict(noiseWeights("network", network));
    const plan = adaptationPlan(network, [16, 16, 16], pretrainPlan([8, 8, 8]));
    const { arch_kwargs } = plan.architecture_plans;
    const architecture_plans = {
      ...plan.architecture_plans,
      arch_kwargs: { ...arch_kwargs, nonlin: "torch.nn.ReLU" },
    };
    await writeTorchCheckpoint(path, weights, { nnssl_adaptation_plan: { ...plan, architecture_plans } });
    await assert.rejects(
      readModel(path),
      /^ModelFileError: Cannot read a network from .*arch_kwargs\.nonlin "torch\.nn\.ReLU", wanted LeakyReLU: use a/,
    );
    const plans = JSON.parse(JSON.stringify(blobPlans(1)));
    plans.configurations["3d_fullres"].architecture.arch_kwargs.norm_op_kwargs.eps = 1e-3;
    await writeTorchCheckpoint(path, weights, { init_args: { plans, configuration: "3d_fullres" } });
    await assert.rejects(
      readModel(path),
      /norm_op_kwargs\.eps 0\.001, wanted 0\.00001: use a network with the layers/,
    );
    await writeTorchCheckpoint(path, weights);
    await Deno.writeTextFile(`${folder}/plans.json`, JSON.stringify(plans));
    await assert.rejects(readModel(path), /plans\.json: found .*norm_op_kwargs\.eps 0\.001, wanted 0\.00001/);
  }));

Deno.test("readModel() gives no weights that float32 does not hold as finite numbers", () =>
  withFolder(async (folder) => {
    const weights = noiseWeights("network", isotropic({ features: [3, 4], blocks: [1, 1] }));
    const [first] = weights.keys();
    for (const value of [1e300, NaN]) {
      const odd = new Float64Array(weights.get(first)!.data).fill(value, 5, 7);
      await writeTorchCheckpoint(
        `${folder}/odd.pth`,
        new Map([...stateDict(weights)].map(([key, tensor]) => [
          key,
          tensor === weights.get(first)
            ? { ...weights.get(first)!, dtype: "F64" as const, data: odd }
            : tensor,
        ])),
      );
      await assert.rejects(importModel(`${folder}/odd.pth`, `${folder}/out.safetensors`), {
        name: "ModelFileError",
        message: new RegExp(
          `^Cannot take ${first} from .*: found ${Math.fround(value)} as its value 5 in float32`,
        ),
      });
    }
    assert.equal(
      await Deno.stat(`${folder}/out.safetensors`).catch(() => null),
      null,
      "nothing is left behind",
    );
  }));
