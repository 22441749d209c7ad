import assert from "node:assert/strict";
import { readSafetensors, writeSafetensors } from "../../data/safetensors_file.ts";
import type { RunConfig } from "../../train/config.ts";
import { loadCheckpoint, saveCheckpoint } from "../../train/checkpoint.ts";
import { CheckpointError } from "../../train/checkpoint_state.ts";
import { PretrainSession } from "../../train/session.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { pretrainPlan, sameBytes, tinyConfig, wavePatch } from "./tiny_run.ts";

const config = tinyConfig({ patch: [8, 8, 8], optimizer: { kind: "adamw" }, network: { features: [3, 4] } });
const data = pretrainPlan([8, 8, 8]);

async function trained(settings: RunConfig, steps: number): Promise<PretrainSession> {
  const session = await PretrainSession.create(settings, "auto");
  session.initialise();
  for (let step = 0; step < steps; step++) session.trainStep(step, 0.01, [wavePatch(settings, step)]);
  return session;
}

gpuTest(
  "saveCheckpoint() and loadCheckpoint() restore every byte, and training goes on the same",
  () =>
    withFolder(async (folder) => {
      const [first, second] = [`${folder}/first.safetensors`, `${folder}/second.safetensors`];
      using session = await trained(config, 3);
      const progress = { step: 3, bestValLoss: 0.1234567890123 };
      await saveCheckpoint(first, session, progress, data);
      using fresh = await PretrainSession.create(config, "auto");
      assert.deepEqual(await loadCheckpoint(first, fresh), progress);
      await saveCheckpoint(second, fresh, progress, data);
      assert.deepEqual(await Deno.readFile(second), await Deno.readFile(first));
      for (const s of [session, fresh]) s.trainStep(3, 0.01, [wavePatch(config, 3)]);
      const [wanted, found] = [await session.exportState(), await fresh.exportState()];
      assert.deepEqual([...found.keys()], [...wanted.keys()]);
      for (const [name, { data }] of wanted) assert.ok(sameBytes(found.get(name)!.data, data), name);

      const { tensors, metadata } = await readSafetensors(first);
      assert.deepEqual([metadata.format, metadata.step, metadata.seed], ["spark3d-checkpoint-1", "3", "0"]);
      assert.deepEqual(JSON.parse(metadata.config), config);
      assert.deepEqual(tensors.get("encoder.stem.convs.0.conv.weight")!.shape, [3, 1, 3, 3, 3]);
      assert.ok(tensors.has("first:mask_tokens.0") && tensors.has("second:mask_tokens.0"));
      assert.ok(![...tensors.keys()].some((name) => /^(parameters|gradients|metrics|lossTotal)/.test(name)));
      const plan = JSON.parse(metadata.nnssl_adaptation_plan);
      assert.deepEqual(
        [plan.key_to_encoder, plan.key_to_stem, plan.key_to_lpe, plan.pretrain_num_input_channels],
        ["encoder.stages", "encoder.stem", null, 1],
      );
      assert.deepEqual(plan.architecture_plans.arch_kwargs.features_per_stage, [3, 4]);
      assert.deepEqual(plan.recommended_downstream_patchsize, [8, 8, 8]);
      assert.deepEqual(plan.pretrain_plan, data);
      await saveCheckpoint(first, session, { step: 4, bestValLoss: null }, data);
      assert.deepEqual(await loadCheckpoint(first, fresh), { step: 4, bestValLoss: null });
      assert.deepEqual(await Array.fromAsync(Deno.readDir(folder), (e) => e.name).then((n) => n.sort()), [
        "first.safetensors",
        "second.safetensors",
      ]);
    }),
);

gpuTest(
  "loadCheckpoint() refuses files of other networks and optimisers, and says what differs",
  () =>
    withFolder(async (folder) => {
      const path = `${folder}/checkpoint.safetensors`;
      using session = await trained(config, 1);
      await saveCheckpoint(path, session, { step: 1, bestValLoss: null }, data);
      const before = await session.exportState();
      const others: [RunConfig, RegExp][] = [
        [
          tinyConfig({ patch: [8, 8, 8], network: { features: [3, 4] } }),
          /: \d+ tensors are missing \(velocity:encoder\.stem.*\) and \d+ unknown \(.+\): use the configuration the run/,
        ],
        [
          { ...config, network: { ...config.network, kind: "s3d-no-token" } },
          /: 0 tensors are missing and 12 unknown \(.*(densify_projs|mask_tokens).*\): use/,
        ],
        [
          { ...config, network: { ...config.network, features: [3, 5] } },
          /: found .* as F32 \[4.*\], wanted F32 \[5.*\]: use the configuration the run was started with$/,
        ],
      ];
      for (const [other, text] of others) {
        using wrong = await PretrainSession.create(other, "auto");
        await assert.rejects(loadCheckpoint(path, wrong), (error) => {
          assert.ok(error instanceof CheckpointError);
          assert.equal(error.path, path);
          assert.ok(error.message.startsWith(`Cannot resume from ${path}: `), error.message);
          assert.match(error.message, text);
          return true;
        });
      }
      await writeSafetensors(path, new Map(), { format: "something else" });
      await assert.rejects(
        loadCheckpoint(path, session),
        /found format something else, wanted spark3d-checkpoint-1/,
      );
      await saveCheckpoint(path, session, { step: 1, bestValLoss: null }, data);
      const whole = await Deno.readFile(path);
      await Deno.writeFile(path, whole.subarray(0, whole.length - 100));
      await assert.rejects(loadCheckpoint(path, session), { name: "SafetensorsError" });
      await assert.rejects(loadCheckpoint(`${folder}/no.safetensors`, session), { name: "DataError" });
      for (const [name, { data }] of await session.exportState()) {
        assert.ok(sameBytes(data, before.get(name)!.data), `${name} changed though nothing was loaded`);
      }
    }),
);
