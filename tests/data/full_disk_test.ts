import assert from "node:assert/strict";
import { folderDigest } from "../support/folder_digest.ts";
import { repositoryRoot, spawn } from "../support/spawn.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";

/** Mounts of a small file system need no rights of their own inside a user and mount namespace. */
const canMount = await spawn("unshare", ["-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"])
  .then(({ code }) => code === 0, () => false);
if (!canMount) {
  console.log("The full-disk test is skipped: this user cannot mount a small tmpfs in a namespace");
}

const PROGRAM = `
import { prepareDataset } from "${repositoryRoot}/data/prepare/mod.ts";
try {
  const { prepared, reused } = await prepareDataset({ source: Deno.args[0], out: Deno.args[1], workers: 2 });
  console.log("prepared " + prepared + " reused " + reused);
} catch (error) {
  console.log(error.name + ": " + error.message);
}
let left = 0;
const count = (folder) => {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (name.endsWith(".tmp")) left++;
    else if (isDirectory) count(folder + "/" + name);
  }
};
count(Deno.args[1]);
console.log("left " + left);
`;

Deno.test({
  name:
    "prepareDataset() stops on a full disk in one line, without half-written files, and goes on when there is room, losing nothing",
  ignore: !canMount,
  fn: () =>
    withFolder(async (folder) => {
      await writeSmallDataset(`${folder}/bids`, 40);
      await Deno.mkdir(`${folder}/disk`);
      await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
      const disk = `${folder}/disk`;
      const program = `${Deno.execPath()} run -A --no-check ${folder}/program.ts ${folder}/bids ${disk}`;
      const run = (script: string) => spawn("unshare", ["-rm", "sh", "-c", script]);
      const mount = (size: string) => `mount -t tmpfs -o size=${size} tmpfs ${disk}`;

      const full = await run(
        `${mount("220k")} && ${program} && mount -o remount,size=16m ${disk} && ${program} && ` +
          `cp -r ${disk} ${folder}/continued`,
      );
      const [line, left, ...after] = full.stdout.trim().split("\n");
      assert.match(
        line,
        /^DataError: Cannot write .*disk\/.*: found no space left on the disk, wanted room/,
        full.stderr,
      );
      assert.equal(left, "left 0");
      const [, prepared, reused] = after[0].match(/^prepared (\d+) reused (\d+)$/)!.map(Number);
      assert.equal(prepared + reused, 40);
      assert.ok(reused > 0, "what was finished before the disk was full is not done again");
      assert.equal(after[1], "left 0");

      const whole = await run(`${mount("16m")} && ${program} && cp -r ${disk} ${folder}/whole`);
      assert.match(whole.stdout, /^prepared 40 reused 0\n/);
      assert.deepEqual(await folderDigest(`${folder}/continued`), await folderDigest(`${folder}/whole`));
    }),
});
