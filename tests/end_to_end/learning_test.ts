import assert from "node:assert/strict";
import { readSafetensors } from "../../data/safetensors_file.ts";
import { RunLog } from "../../train/run_log.ts";
import { runPaths, type RunSummary } from "../../train/run_folder.ts";
import { decodePng } from "../support/decode_png.ts";
import { hasAdapter } from "../support/gpu.ts";
import { sharedData } from "../support/shared_data.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

Deno.test({
  name: "spark3d pretrain learns on real volumes within 8 minutes: far below every trivial predictor",
  ignore: sharedData === null || !hasAdapter,
  async fn(t) {
    using folder = temporaryFolder();
    const out = `${folder.path}/first`;
    const run = await spawnSpark3d(["pretrain", "--data", `${sharedData}/bids`, "--out", out, "--json"]);
    assert.equal(run.code, 0, run.stderr);
    const paths = runPaths(out);
    const summary: RunSummary = JSON.parse(await Deno.readTextFile(paths.summary));
    const { valLoss, valLossConstant, valLossNearest } = summary;
    console.log(
      `masked error ${valLoss!.toFixed(4)}: ${summary.valLossToConstant!.toFixed(3)} x best constant ` +
        `(${valLossConstant.toFixed(4)}), ${summary.valLossToNearest!.toFixed(3)} x nearest visible voxel ` +
        `(${valLossNearest.toFixed(4)}), ${summary.steps} steps, ${run.seconds.toFixed(0)} s`,
    );
    await t.step("beats the best constant by a third, and copying the nearest visible voxel", () => {
      assert.equal(summary.valLossToConstant, valLoss! / valLossConstant);
      assert.equal(summary.valLossToNearest, valLoss! / valLossNearest);
      assert.ok(summary.valLossToConstant <= 0.65, `${summary.valLossToConstant} x the best constant`);
      assert.ok(summary.valLossToNearest < 1, `${summary.valLossToNearest} x the nearest visible voxel`);
    });
    await t.step("takes less than 8 minutes, preparation included", () => {
      assert.ok(run.seconds < 8 * 60, `${run.seconds} s`);
    });
    await t.step("uses all eight volumes and skips no step", () => {
      assert.deepEqual(summary.data, { volumes: 8, trainSubjects: 6, valSubjects: 2, rejected: [] });
      assert.deepEqual([summary.state, summary.skippedSteps], ["finished", 0]);
      assert.equal(summary.steps, summary.plannedSteps);
    });
    await t.step("logs a loss for every step and validations that fall", () => {
      using log = RunLog.open(paths.log, { readOnly: true });
      assert.equal(log.metric("loss").length, summary.steps);
      const validations = log.metric("valLoss").map((row) => row.value);
      assert.equal(validations.at(-1), valLoss);
      assert.ok(validations.length >= 2 && validations.at(-1)! < validations[0], validations.join(", "));
      assert.equal(summary.bestValLoss, Math.min(...validations));
    });
    await t.step("leaves checkpoints and a picture of three planes", async () => {
      const { tensors, metadata } = await readSafetensors(paths.final);
      assert.equal(Number(metadata.step), summary.steps);
      const weights = [...tensors].filter(([name]) => !name.includes(":"));
      const count = weights.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
      assert.equal(count, summary.parameters);
      for (const [name, { data }] of weights) assert.ok((data as Float32Array).every(Number.isFinite), name);
      assert.ok((await readSafetensors(paths.best)).tensors.size === tensors.size);
      const { width, height, data } = decodePng(await Deno.readFile(paths.picture));
      assert.ok(width >= 3 * 48 && height >= 3 * 48, `${width} x ${height}`);
      assert.ok(new Set(data).size > 100, "the picture has hardly any grey values");
    });
  },
});
