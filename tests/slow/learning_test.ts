import assert from "node:assert/strict";
import { runPaths, type RunSummary } from "../../train/run_folder.ts";
import { hasAdapter } from "../support/gpu.ts";
import { sharedData } from "../support/shared_data.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

Deno.test({
  name:
    "spark3d pretrain --preset slow-demo reaches 0.58 x best constant and 0.92 x nearest voxel within 45 minutes",
  ignore: sharedData === null || !hasAdapter,
  async fn() {
    using folder = temporaryFolder();
    const out = `${folder.path}/slow`;
    const args = [
      "pretrain",
      "--preset",
      "slow-demo",
      "--data",
      `${sharedData}/bids`,
      "--out",
      out,
      "--json",
    ];
    const run = await spawnSpark3d(args);
    assert.equal(run.code, 0, run.stderr);
    const summary: RunSummary = JSON.parse(await Deno.readTextFile(runPaths(out).summary));
    const { valLossToConstant, valLossToNearest, steps } = summary;
    console.log(
      `${valLossToConstant!.toFixed(3)} x best constant, ${
        valLossToNearest!.toFixed(3)
      } x nearest visible voxel, ` +
        `${steps} steps, ${(run.seconds / 60).toFixed(1)} min`,
    );
    assert.ok(valLossToConstant! <= 0.58, `${valLossToConstant} x the best constant`);
    assert.ok(valLossToNearest! <= 0.92, `${valLossToNearest} x the nearest visible voxel`);
    assert.ok(run.seconds < 45 * 60, `${run.seconds} s`);
  },
});
