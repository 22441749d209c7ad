import assert from "node:assert/strict";
import { DataError } from "../../data/errors.ts";
import type { LoadedPatch } from "../../data/load_sample.ts";
import { createLoader, type LoaderOptions } from "../../data/loader.ts";
import { openStore } from "../../data/store.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { writeSmallStore } from "../support/small_store.ts";
import { assertAllClose } from "../support/tolerance.ts";

async function withStore(use: (store: string, options: LoaderOptions) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = `${folder}/store`;
    const list = Array.from({ length: 6 }, (_, i) => ({
      subject: `sub-0${i}`,
      shape: [7 + i, 8, 9 + i] as const,
    }));
    await writeSmallStore(store, list, { val: ["sub-02", "sub-05"], dtype: "float16" });
    await use(store, {
      store,
      seed: 11,
      batchSize: 3,
      cropSize: [9, 10, 11],
      finalSize: [6, 6, 6],
      steps: 5,
    });
  });
}

async function collect(options: LoaderOptions): Promise<LoadedPatch[]> {
  return await Array.fromAsync(createLoader(options));
}

function assertSame(actual: readonly LoadedPatch[], wanted: readonly LoadedPatch[]): void {
  assert.deepEqual(actual.map(({ patch: _, ...rest }) => rest), wanted.map(({ patch: _, ...rest }) => rest));
  actual.forEach(({ patch }, i) =>
    assertAllClose(patch, wanted[i].patch, { atol: 0, rtol: 0 }, `sample ${i}`)
  );
}

Deno.test("createLoader() gives the same ordered samples with 0, 1 and 2 workers, and from any step on", () =>
  withStore(async (path, options) => {
    const inline = await collect({ ...options, workers: 0 });
    assert.deepEqual(
      inline.map(({ step, sampleIndex }) => 3 * step + sampleIndex),
      Array.from({ length: 15 }, (_, i) => i),
    );
    for (const workers of [1, 2]) {
      for (const prefetch of [1, 3]) assertSame(await collect({ ...options, workers, prefetch }), inline);
    }
    assertSame(await collect({ ...options, workers: 2, startStep: 3, steps: 2 }), inline.slice(9));
    using store = openStore(path);
    const training = new Set(store.subset("train").map(({ id }) => id));
    for (const sample of inline) {
      assert.ok(training.has(sample.caseId));
      const volume = store.volumes.find(({ id }) => id === sample.caseId)!;
      assertAllClose(sample.patch, store.readBox(volume, sample.start, [9, 10, 11]), { atol: 0, rtol: 0 });
    }
    assert.ok(new Set(inline.map(({ caseId }) => caseId)).size > 2);
    const validation = await collect({ ...options, workers: 1, subset: "val" });
    const held = new Set(store.subset("val").map(({ id }) => id));
    assert.ok(validation.every(({ caseId }) => held.has(caseId) && !training.has(caseId)));
    assert.equal((await collect({ ...options, steps: 0 })).length, 0);
  }));

Deno.test("createLoader() reads ahead by the given steps only and ends its workers when left", () =>
  withStore(async (_, options) => {
    let last = -1;
    for await (const { step } of createLoader({ ...options, steps: undefined, prefetch: 2 })) {
      last = step;
      if (step === 20) break;
    }
    assert.equal(last, 20);
    using loader = createLoader({ ...options, steps: undefined, workers: 2 });
    const iterator = loader[Symbol.asyncIterator]();
    await iterator.next();
    loader.close();
    assert.equal((await iterator.next()).done, true);
  }));

Deno.test("createLoader() surfaces a damaged array as a DataError after the good samples", () =>
  withStore(async (path, options) => {
    const good = await collect({ ...options, workers: 0 });
    const victim = good.at(-1)!.caseId;
    using store = openStore(path);
    await Deno.truncate(`${path}/${store.volumes.find(({ id }) => id === victim)!.path}/c/0/0/0`, 10);
    for (const workers of [0, 1, 2]) {
      const seen: LoadedPatch[] = [];
      await assert.rejects(async () => {
        for await (const sample of createLoader({ ...options, workers })) seen.push(sample);
      }, (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(
          error.message,
          /found 10 bytes, wanted \d+ bytes: remove the array and prepare it again/,
        );
        return true;
      });
      const reachable = good.findIndex(({ caseId }) => caseId === victim);
      assert.ok(seen.length <= reachable);
      assertSame(seen, good.slice(0, seen.length));
    }
  }));

Deno.test("createLoader() refuses a missing store, an empty side and senseless counts at once", () =>
  withStore(async (path, options) => {
    assert.throws(() => createLoader({ ...options, store: `${path}/no` }), /no such file or folder/);
    for (
      const wrong of [{ batchSize: 0 }, { prefetch: 0 }, { workers: -1 }, { startStep: 0.5 }, {
        cropSize: [0, 1, 1] as const,
      }]
    ) {
      assert.throws(() => createLoader({ ...options, ...wrong }), /Cannot load samples: found/);
    }
    const file = `${path}/store.json`;
    const index = JSON.parse(await Deno.readTextFile(file));
    index.split.val = [];
    await Deno.writeTextFile(file, JSON.stringify(index));
    assert.throws(() => createLoader({ ...options, subset: "val" }), /found no subject for val/);
  }));
