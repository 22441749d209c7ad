import assert from "node:assert/strict";
import { drawAnatomyCentre } from "../../data/anatomy_centre.ts";
import { createLoader, type LoaderOptions } from "../../data/loader.ts";
import { SamplePlanner, SampleReader, type SampleSource } from "../../data/load_sample.ts";
import { hashRandom } from "../../data/random.ts";
import { centredStart, startRange } from "../../data/sampler.ts";
import type { Sampling } from "../../data/sampling.ts";
import type { Dims3 } from "../../data/volume.ts";
import { writeZarrArray, ZarrArray } from "../../data/zarr/mod.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { type SmallVolume, writeSmallStore } from "../support/small_store.ts";

const SHAPE: Dims3 = [8, 9, 10];

/** Counts of what `draws` draws of a source gave, by `key` of the case id. */
function countDraws(
  store: string,
  balance: Sampling["balance"],
  draws: number,
  key: (caseId: string) => string,
): Map<string, number> {
  const planner = new SamplePlanner({
    store,
    subset: "train",
    seed: 5,
    cropSize: [4, 4, 4],
    finalSize: [4, 4, 4],
    sampling: { balance, centre: "uniform" },
  });
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const name = key(planner.plan(Math.floor(i / 3), i % 3).caseId);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Fails when a count is more than five standard deviations from its expectation. */
function assertEqualShares(counts: ReadonlyMap<string, number>, groups: number, draws: number): void {
  assert.equal(counts.size, groups);
  const deviation = Math.sqrt(draws / groups * (1 - 1 / groups));
  for (const [name, count] of counts) {
    assert.ok(Math.abs(count - draws / groups) < 5 * deviation, `${name}: ${count} of ${draws}`);
  }
}

Deno.test("SamplePlanner weighs images, modalities or subjects equally, and images alike within them", () =>
  withFolder(async (store) => {
    // subject s0 has 6 T1w, s1 one T1w and one FLAIR, s2 two T2w
    const list: SmallVolume[] = [
      ...Array.from({ length: 6 }, () => ({ subject: "s0", shape: SHAPE })),
      { subject: "s1", shape: SHAPE },
      { subject: "s1", modality: "FLAIR", shape: SHAPE },
      { subject: "s2", modality: "T2w", shape: SHAPE },
      { subject: "s2", modality: "T2w", shape: SHAPE },
      { subject: "held", shape: SHAPE },
    ];
    const volumes = await writeSmallStore(store, list, { val: ["held"] });
    const of = (field: "modality" | "subject") => (id: string) => volumes.find((v) => v.id === id)![field];
    const draws = 6000;
    assertEqualShares(countDraws(store, "none", draws, (id) => id), 10, draws);
    assertEqualShares(countDraws(store, "modality", draws, of("modality")), 3, draws);
    assertEqualShares(countDraws(store, "subject", draws, of("subject")), 3, draws);
    const within = countDraws(store, "modality", draws, (id) => id);
    const t1w = volumes.filter(({ modality, subject }) => modality === "T1w" && subject !== "held");
    const counts = new Map(t1w.map(({ id }) => [id, within.get(id)!]));
    assertEqualShares(counts, 7, [...counts.values()].reduce((sum, count) => sum + count));
  }));

Deno.test("SamplePlanner draws the same for one group as without balancing", () =>
  withFolder(async (store) => {
    await writeSmallStore(store, [0, 1, 2, 3].map((i) => ({ subject: `s${i}`, shape: SHAPE })));
    const source: SampleSource = {
      store,
      subset: "train",
      seed: 9,
      cropSize: [6, 6, 6],
      finalSize: [4, 4, 4],
    };
    const plain = new SamplePlanner(source);
    const single = new SamplePlanner({ ...source, sampling: { balance: "modality", centre: "anatomy" } });
    const draws = Array.from({ length: 40 }, (_, step) => plain.plan(step, 0));
    assert.deepEqual(draws.map((_, step) => single.plan(step, 0)), draws);
    assert.equal(new Set(draws.map(({ caseId }) => caseId)).size, 4);
    assert.throws(
      () => new SamplePlanner({ ...source, finalSize: [7, 7, 7] }),
      /crop 6x6x6 is smaller than patch/,
    );
  }));

Deno.test("drawAnatomyCentre() is uniform over the voxels above zero and null without one", () =>
  withFolder(async (folder) => {
    const shape: Dims3 = [4, 5, 6];
    const labels = Int8Array.from({ length: 120 }, (_, i) => i % 7 === 3 ? 1 : i % 11 === 5 ? 4 : i % 2 - 1);
    const inside = [...labels.keys()].filter((i) => labels[i] > 0);
    for (const compression of ["none", "zstd"] as const) {
      await writeZarrArray(`${folder}/m.zarr`, labels, shape, { dtype: "int8", compression });
      using mask = ZarrArray.open(`${folder}/m.zarr`);
      const counts = new Map<string, number>(), draws = 8000;
      for (let i = 0; i < draws; i++) {
        const [z, y, x] = drawAnatomyCentre(hashRandom(3, i), mask)!;
        const voxel = (z * 5 + y) * 6 + x;
        counts.set(`${voxel}`, (counts.get(`${voxel}`) ?? 0) + 1);
      }
      assert.deepEqual([...counts.keys()].map(Number).sort((a, b) => a - b), inside);
      assertEqualShares(counts, inside.length, draws);
    }
    await writeZarrArray(`${folder}/m.zarr`, new Int8Array(120).fill(-1), shape, { dtype: "int8" });
    using empty = ZarrArray.open(`${folder}/m.zarr`);
    assert.equal(drawAnatomyCentre(hashRandom(3), empty), null);
    const json = await Deno.readTextFile(`${folder}/m.zarr/zarr.json`);
    await Deno.writeTextFile(`${folder}/m.zarr/zarr.json`, json.replace("positivePerSlice", "other"));
    using foreign = ZarrArray.open(`${folder}/m.zarr`);
    assert.throws(
      () => drawAnatomyCentre(hashRandom(3), foreign),
      /found no counts of labelled voxels, wanted a mask/,
    );
  }));

Deno.test("centredStart() puts the voxel in the middle as far as the range of starts allows", () => {
  const shape: Dims3 = [200, 100, 300], crop: Dims3 = [257, 257, 160], final: Dims3 = [160, 160, 160];
  assert.deepEqual(centredStart([100, 50, 150], shape, crop, final), [-28, -78, 70]);
  assert.deepEqual(centredStart([0, 0, 0], shape, crop, final), [-49, -79, 0]);
  const last = centredStart([199, 99, 299], shape, crop, final);
  assert.deepEqual(last, shape.map((size, axis) => startRange(size, crop[axis], final[axis])[1]));
});

Deno.test("createLoader() centres crops on the anatomy, in any number of workers and from any step on", () =>
  withFolder(async (store) => {
    const ball = (z: number, y: number, x: number) =>
      (z - 6) ** 2 + (y - 7) ** 2 + (x - 12) ** 2 <= 9 ? 1 : 0;
    const shape: Dims3 = [14, 16, 20];
    const volumes = await writeSmallStore(store, [
      { subject: "s0", shape, anatomy: ball },
      { subject: "s1", shape, anatomy: () => 0 },
      { subject: "s2", shape },
    ], { compression: "zstd" });
    const options: LoaderOptions = {
      store,
      seed: 2,
      batchSize: 4,
      steps: 30,
      cropSize: [5, 5, 5],
      sampling: { balance: "subject", centre: "anatomy" },
    };
    const inline = await Array.fromAsync(createLoader({ ...options, workers: 0 }));
    const starts = (id: string, samples = inline) =>
      samples.filter((s) => s.caseId === id).map((s) => s.start);
    assert.ok(starts("v0").length > 20);
    for (const [z, y, x] of starts("v0")) assert.equal(ball(z + 2, y + 2, x + 2), 1);
    assert.ok(new Set(starts("v0").map(String)).size > 15);
    // Without anatomy the crops are those of uniform sampling.
    const uniform = { ...options, sampling: { balance: "subject", centre: "uniform" } as const };
    const plain = await Array.fromAsync(createLoader({ ...uniform, workers: 0 }));
    for (const id of ["v1", "v2"]) assert.deepEqual(starts(id), starts(id, plain));
    assert.notDeepEqual(starts("v0"), starts("v0", plain));
    for (const sample of inline) {
      const [z, y, x] = sample.start;
      const i = volumes.findIndex(({ id }) => id === sample.caseId);
      const first = ((z * 16) + y) * 20 + x;
      if (sample.start.every((at) => at >= 0)) assert.equal(sample.patch[0], 1000 * i + first);
    }
    const resumed = await Array.fromAsync(createLoader({ ...options, workers: 2, startStep: 11, steps: 19 }));
    const plainRows = (samples: typeof inline) =>
      samples.map(({ patch, ...rest }) => ({ ...rest, sum: patch[7] }));
    assert.deepEqual(plainRows(resumed), plainRows(inline.slice(44)));
    using reader = new SampleReader({ ...options, subset: "train", finalSize: [5, 5, 5] });
    assert.deepEqual(reader.read(11, 2).start, inline[46].start);
  }));

Deno.test("PatchLoader.ready counts samples that wait to be handed out", () =>
  withFolder(async (store) => {
    await writeSmallStore(store, [{ subject: "s0", shape: SHAPE }]);
    const options = { store, seed: 2, batchSize: 2, steps: 10, cropSize: [4, 4, 4] as const, prefetch: 3 };
    using loader = createLoader({ ...options, workers: 1 });
    const patches = loader[Symbol.asyncIterator]();
    await patches.next();
    const limit = Date.now() + 10_000;
    while (loader.ready < 6 && Date.now() < limit) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(loader.ready, 6); // the one that was handed out has been asked for again
    await patches.next();
    assert.equal(loader.ready, 5);
    using inline = createLoader({ ...options, workers: 0 });
    assert.equal(inline.ready, 0);
  }));
