import assert from "node:assert/strict";
import { cleanTemporary, temporaryName, writeFileAtomic } from "../../data/atomic.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { repositoryRoot, spawn } from "../support/spawn.ts";

Deno.test("cleanTemporary() removes what a killed process left and nothing else", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/a/b`, { recursive: true });
    await Deno.mkdir(`${folder}/a/c.zarr`);
    const program = `import { temporaryName } from "${repositoryRoot}/data/atomic.ts";
await Deno.writeTextFile(temporaryName("${folder}/a/x.json"), "half");
await Deno.mkdir(temporaryName("${folder}/a/b/y.zarr") + "/c/0", { recursive: true });
Deno.kill(Deno.pid, "SIGKILL");`;
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    await spawn(Deno.execPath(), ["run", "-A", "--no-check", `${folder}/program.ts`]);
    const mine = temporaryName(`${folder}/a/z.json`);
    const [, host] = /\.([^.]+)-\d+-[0-9a-f]{8}\.tmp$/.exec(mine)!;
    const foreign = (age: string) => mine.replace(`.${host}-`, `.elsewhere${age}-`);
    const kept = [mine, foreign("-new"), `${folder}/a/b/notes.tmp`, `${folder}/a/c.zarr/zarr.json`];
    for (const path of [...kept, foreign("-old")]) await Deno.writeTextFile(path, "");
    await Deno.utime(foreign("-old"), new Date(0), new Date(Date.now() - 25 * 3600 * 1000));
    const names = (await cleanTemporary(folder)).map((path) => path.slice(folder.length).split(".")[0]);
    assert.deepEqual(names.sort(), ["/a/b/y", "/a/x", "/a/z"]);
    for (const path of kept) await Deno.stat(path);
    assert.deepEqual((await cleanTemporary(folder, { all: true })).sort(), [mine, foreign("-new")].sort());
    assert.deepEqual(await cleanTemporary(`${folder}/none`), []);
  }));

Deno.test("writeFileAtomic() replaces a file whole and names differ from thread to thread", () =>
  withFolder(async (folder) => {
    await writeFileAtomic(`${folder}/a`, "old");
    await writeFileAtomic(`${folder}/a`, [Uint8Array.of(110, 101), Uint8Array.of(119)]);
    assert.equal(await Deno.readTextFile(`${folder}/a`), "new");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["a"]);
    assert.notEqual(temporaryName("a"), temporaryName("a"));
    await assert.rejects(
      writeFileAtomic(`${folder}/none/a`, ""),
      /Cannot write .*none\/a: found no such file/,
    );
  }));
