import assert from "node:assert/strict";
import { spawnSpark3d } from "../../support/spawn.ts";

/**
 * Trains real runs below `folder`, as people would: `runs/s3d` and `runs/mae` pre-train on generated heads, `runs/finetune/fold_0` and
 * `fold_1` fine-tune the first on labelled ones and segment their validation cases. Minutes on two cores.
 *
 * @returns the folder of the runs
 */
export async function trainExampleRuns(folder: string, log: (line: string) => void): Promise<string> {
  const run = async (command: string) => {
    log(`spark3d ${command}`);
    const { code, stderr } = await spawnSpark3d([...command.split(" "), "--json"], { cwd: folder });
    assert.equal(code, 0, stderr);
  };
  await run("phantom --out heads --subjects 4 --spacing 3");
  await run("prepare heads --out store --spacing noresample");
  await Deno.writeTextFile(
    `${folder}/often.json`,
    JSON.stringify({ validation: { patches: 4, everyEpochs: 2 } }),
  );
  for (const method of ["s3d", "mae"]) {
    await run(
      `pretrain --data store --out runs/${method} --method ${method} --epochs 20 --config often.json`,
    );
  }
  await run("phantom --out runs/datasets/Dataset001_Structures --task structures --subjects 6 --spacing 3");
  await run(
    "finetune runs/datasets/Dataset001_Structures --from runs/s3d --plan no-resample --preset demo --fold 0,1 --epochs 6 --steps 20 --out runs/finetune",
  );
  return `${folder}/runs`;
}
