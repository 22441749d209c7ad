import assert from "node:assert/strict";
import { type VerifyProgress, verifyStore } from "../../data/verify_store.ts";
import type { Dims3 } from "../../data/volume.ts";
import { writeZarrArray } from "../../data/zarr/mod.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { writeSmallStore } from "../support/small_store.ts";

const SHAPE: Dims3 = [3, 4, 5];

const writeStore = (store: string, count: number) =>
  writeSmallStore(
    store,
    Array.from({ length: count }, (_, i) => ({ subject: `s${i}`, shape: SHAPE, anatomy: () => 1 })),
    { dtype: "float16", compression: "zstd" },
  );

Deno.test("verifyStore() finds nothing in a good store and tells how far it is", () =>
  withFolder(async (folder) => {
    await writeStore(folder, 6);
    const progress: VerifyProgress[] = [];
    assert.deepEqual(await verifyStore(folder, { onProgress: (event) => progress.push(event) }), []);
    assert.deepEqual(progress.map(({ done }) => done), Array.from({ length: 12 }, (_, i) => i + 1));
    const { total, bytesDone, bytesTotal } = progress.at(-1)!;
    assert.deepEqual([total, bytesDone], [12, bytesTotal]);
    const stop = AbortSignal.abort(new Error("stopped"));
    await assert.rejects(verifyStore(folder, { signal: stop }), /stopped/);
  }));

Deno.test("verifyStore() lists missing, damaged and unlisted arrays", () =>
  withFolder(async (folder) => {
    await writeStore(folder, 8);
    const array = (i: number, name = `v${i}`) => `${folder}/c/d/s${i}/${name}.zarr`;
    await Deno.remove(array(0), { recursive: true });
    await Deno.remove(`${array(1)}/c/0/0/0`);
    await Deno.truncate(`${array(2)}/c/0/0/0`, 3);
    const file = `${array(3, "v3__anat")}/c/0/0/0`;
    const bytes = await Deno.readFile(file);
    bytes[5] ^= 1;
    await Deno.writeFile(file, bytes);
    await Deno.writeTextFile(`${array(4)}/zarr.json`, "{");
    const float = new Float32Array(60).fill(5);
    await writeZarrArray(array(5), float, SHAPE, { dtype: "float32", compression: "zstd" });
    await writeZarrArray(array(6), float.fill(7), SHAPE, { dtype: "float16", compression: "zstd" });
    await writeZarrArray(array(7, "z"), float, SHAPE, { dtype: "float16" });
    const problems = await verifyStore(folder);
    assert.deepEqual(problems.map(({ kind, path }) => `${kind} ${path}`), [
      "missing c/d/s0/v0.zarr",
      "missing c/d/s1/v1.zarr",
      "damaged c/d/s2/v2.zarr",
      "damaged c/d/s3/v3__anat.zarr",
      "damaged c/d/s4/v4.zarr",
      "damaged c/d/s5/v5.zarr",
      "damaged c/d/s6/v6.zarr",
      "unlisted c/d/s7/z.zarr",
    ]);
    assert.match(problems[2].detail, /^found 3 bytes, wanted \d+ bytes$/);
    assert.match(problems[3].detail, /^found SHA-256 [0-9a-f]{64}, wanted [0-9a-f]{64}$/);
    assert.match(problems[4].detail, /damaged JSON/);
    assert.equal(
      problems[5].detail,
      "found float32 3x4x5, compression zstd, wanted float16 3x4x5, compression zstd",
    );
    assert.match(problems[6].detail, /^found \d+ bytes, wanted \d+ bytes$/);
    await Deno.writeTextFile(`${folder}/store.json`, "{}");
    await assert.rejects(
      verifyStore(folder),
      /Cannot read .*store\.json: found format: .*, wanted the index/,
    );
  }));
