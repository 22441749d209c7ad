import assert from "node:assert/strict";
import { spawnSpark3d } from "../../support/spawn.ts";

/** A pre-training that validates about once a second: a tiny network on small patches of two generated heads. */
const settings = {
  preset: "paper",
  network: { preset: "tiny" },
  patch: [16, 16, 16],
  mask: { block: 4 },
  batch: { size: 1 },
  stepsPerEpoch: 10,
  validation: { patches: 2, everyEpochs: 1 },
  checkpointEveryEpochs: 1000,
  metricsEvery: 2,
  loader: { workers: 1 },
};

/** Prepares data below `folder` for {@linkcode tinyTraining}. */
export async function prepareTinyData(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/tiny.json`, JSON.stringify(settings));
  for (
    const args of [["phantom", "--out", "heads", "--subjects", "2"], ["prepare", "heads", "--out", "store"]]
  ) {
    const { code, stderr } = await spawnSpark3d(args, { cwd: folder });
    assert.equal(code, 0, stderr);
  }
}

/** Arguments of `spark3d` for a run of so many epochs of ten steps in `folder/runs/NAME`. */
export function tinyTraining(folder: string, name: string, epochs: number, seed: number): string[] {
  const files = [
    "--data",
    `${folder}/store`,
    "--config",
    `${folder}/tiny.json`,
    "--out",
    `${folder}/runs/${name}`,
  ];
  return ["pretrain", ...files, "--epochs", String(epochs), "--seed", String(seed)];
}
