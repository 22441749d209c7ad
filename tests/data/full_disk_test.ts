import assert from "node:assert/strict";
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
import { prepareDataset } from "${repositoryRoot}/data/prepare/prepare_dataset.ts";
try {
  await prepareDataset({ source: Deno.args[0], out: Deno.args[1] });
  console.log("prepared");
} catch (error) {
  console.log(error.name + ": " + error.message);
}
const left = [];
for (const { name } of Deno.readDirSync(Deno.args[1])) left.push(name);
console.log("left " + left.filter((name) => name.endsWith(".tmp")).length);
`;

Deno.test({
  name: "prepareDataset() stops on a full disk in one line, without half-written files",
  ignore: !canMount,
  fn: () =>
    withFolder(async (folder) => {
      await writeSmallDataset(`${folder}/bids`, 40);
      await Deno.mkdir(`${folder}/disk`);
      await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
      const script = `mount -t tmpfs -o size=160k tmpfs ${folder}/disk && ` +
        `${Deno.execPath()} run -A --no-check ${folder}/program.ts ${folder}/bids ${folder}/disk`;
      const { stdout, stderr } = await spawn("unshare", ["-rm", "sh", "-c", script]);
      const [line, left] = stdout.trim().split("\n");
      assert.match(
        line,
        /^DataError: Cannot write .*disk\/.*: found no space left on the disk, wanted room/,
        stderr,
      );
      assert.equal(left, "left 0");
    }),
});
