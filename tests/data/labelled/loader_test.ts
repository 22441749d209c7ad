import assert from "node:assert/strict";
import { CropPlanner } from "../../../data/labelled/load_crop.ts";
import {
  createLabelledLoader,
  type LabelledLoaderOptions,
  type LoadedCrop,
} from "../../../data/labelled/loader.ts";
import { prepareLabelled } from "../../../data/labelled/prepare_labelled.ts";
import { type LabelledStore, openLabelledStore } from "../../../data/labelled/store.ts";
import { startRange } from "../../../data/sampler.ts";
import type { Dims3 } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { noise, type SmallCase, smallPlans, writeSmallDataset } from "../../support/small_labelled.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };
/** One voxel of class 1 in the corner, a plate of class 2; the second case has class 2 only, the third nothing. */
const LABELS: SmallCase["label"][] = [
  (z, y, x) => (z === 1 && y === 1 && x === 1 ? 1 : z === 8 ? 2 : 0),
  (_z, y) => (y === 5 ? 2 : 0),
  () => 0,
];

async function withStore(
  use: (store: LabelledStore, options: LabelledLoaderOptions) => Promise<void>,
  ignore?: (z: number, y: number, x: number) => boolean,
): Promise<void> {
  await withFolder(async (folder) => {
    const cases = LABELS.map((label, i): SmallCase => {
      const shape: Dims3 = [14, 13 + i, 15];
      const images = [noise(shape, i), noise(shape, 10 + i)];
      return { id: `c${i}`, shape, images, label: (...at) => (ignore?.(...at) ? 3 : label(...at)) };
    });
    const labels = { background: 0, a: 1, b: 2, ...(ignore ? { ignore: 3 } : {}) };
    const dataset = await writeSmallDataset(`${folder}/d`, cases, labels);
    const plans = smallPlans({ schemes: ["ZScoreNormalization", "ZScoreNormalization"] });
    await prepareLabelled({ dataset, plans, configuration: "3d_fullres", out: `${folder}/s`, workers: 0 });
    using store = openLabelledStore(`${folder}/s`);
    const sizes = { cropSize: [8, 8, 8], finalSize: [6, 6, 6] } as const;
    await use(store, {
      store: `${folder}/s`,
      cases: ["c0", "c1", "c2"],
      seed: 4,
      batchSize: 3,
      steps: 4,
      ...sizes,
    });
  });
}

function assertSame(actual: readonly LoadedCrop[], wanted: readonly LoadedCrop[]): void {
  const plain = ({ image: _i, label: _l, ...rest }: LoadedCrop) => rest;
  assert.deepEqual(actual.map(plain), wanted.map(plain));
  actual.forEach(({ image, label }, i) => {
    assertAllClose(image, wanted[i].image, EXACT);
    assertAllClose(label, wanted[i].label, EXACT);
  });
}

const load = (options: LabelledLoaderOptions) => Array.fromAsync(createLabelledLoader(options));

Deno.test("createLabelledLoader() gives the same crops in any number of workers and from any step on", () =>
  withStore(async (store, options) => {
    const inline = await load({ ...options, workers: 0 });
    assert.equal(inline.length, 12);
    for (const workers of [1, 2]) assertSame(await load({ ...options, workers, prefetch: workers }), inline);
    assertSame(await load({ ...options, workers: 1, startStep: 2, steps: 2 }), inline.slice(6));
    for (const { caseId, start, image, label } of inline) {
      const box = store.readBox(caseId, start, [8, 8, 8]);
      assertAllClose(image, box.image, EXACT);
      assertAllClose(label, box.label, EXACT);
      assert.equal(image.length, 2 * 512);
    }
    const other = await load({ ...options, workers: 0, stream: 1 });
    assert.notDeepEqual(other.map(({ start }) => start), inline.map(({ start }) => start));
    const only = await load({ ...options, workers: 0, cases: ["c1"] });
    assert.ok(only.every(({ caseId }) => caseId === "c1"));
  }));

Deno.test("the last third of a batch is centred on a class of the case, drawn alike from those present, within the range", () =>
  withStore((store, { steps: _, ...options }) => {
    const draw = { ...options, stream: 0, oversample: 0.33, finalSize: options.finalSize! };
    const forced = [2, 3, 4, 7].map((batchSize) => {
      const planner = new CropPlanner({ ...draw, cases: ["c1"], batchSize });
      return Array.from({ length: batchSize }, (_, i) => planner.plan(3, i).centre !== null);
    });
    assert.deepEqual(forced.map((list) => list.map(Number).join("")), ["01", "001", "0001", "0000011"]);
    const planner = new CropPlanner({ ...draw, batchSize: 1, oversample: 1 });
    const counts: Record<string, number> = {};
    for (let step = 0; step < 3000; step++) {
      const { caseId, centre } = planner.plan(step, 0);
      counts[`${caseId}:${centre?.list ?? "none"}`] = (counts[`${caseId}:${centre?.list ?? "none"}`] ?? 0) +
        1;
    }
    assert.deepEqual(Object.keys(counts).sort(), ["c0:0", "c0:1", "c1:1", "c2:none"].sort()); // c2 has no foreground
    for (const [key, wanted] of [["c0:0", 500], ["c0:1", 500], ["c1:1", 1000]] as const) {
      assert.ok(Math.abs(counts[key] - wanted) < 5 * Math.sqrt(wanted), `${key}: ${counts[key]}`);
    }
    assert.equal(store.case("c0").drawn[0], 1);
    return Promise.resolve();
  }));

Deno.test("a forced crop begins half a crop before its voxel, clamped at both ends", () =>
  withStore(async (store, options) => {
    const crops = await load({
      ...options,
      cases: ["c0", "c1"],
      workers: 0,
      batchSize: 1,
      oversample: 1,
      steps: 60,
    });
    const planner = new CropPlanner({
      ...options,
      cases: ["c0", "c1"],
      batchSize: 1,
      oversample: 1,
      stream: 0,
      finalSize: options.finalSize!,
    });
    let low = 0, high = 0;
    for (const { step, caseId, start } of crops) {
      const { list, rank } = planner.plan(step, 0).centre!;
      const voxel = store.classLocations(caseId)[list].subarray(3 * rank, 3 * rank + 3);
      start.forEach((first, axis) => {
        const [lo, hi] = startRange(store.case(caseId).shape[axis], 8, 6);
        assert.equal(first, Math.min(Math.max(voxel[axis] - 4, lo), hi));
        if (voxel[axis] - 4 < lo) low++;
        if (voxel[axis] - 4 > hi) high++;
      });
    }
    assert.ok(low > 0 && high > 0, `${low} clamped below, ${high} above`);
  }));

Deno.test("with an ignore label, crops that are not forced are centred on an annotated voxel", () =>
  withStore(async (store, options) => {
    const crops = await load({
      ...options,
      workers: 0,
      batchSize: 2,
      oversample: 0.5,
      steps: 40,
      cropSize: [3, 3, 3],
      finalSize: [3, 3, 3],
    });
    for (const { sampleIndex, caseId, label } of crops) {
      const middle = label[13];
      if (sampleIndex === 0) assert.notEqual(middle, 3, caseId);
      else if (caseId === "c1") assert.equal(middle, 2);
    }
    assert.deepEqual(store.index.ignore, 3);
    assert.ok(crops.some(({ label }) => label.includes(3)));
  }, (z, _y, x) => z > 9 || (x > 9 && z > 3)));

Deno.test("createLabelledLoader() refuses unknown cases, none, and senseless sizes at once, and damage when it meets it", () =>
  withStore(async (store, options) => {
    assert.throws(() => createLabelledLoader({ ...options, cases: ["c0", "c9"] }), /found no case "c9"/);
    assert.throws(() => createLabelledLoader({ ...options, cases: [] }), /found no image/);
    assert.throws(
      () => createLabelledLoader({ ...options, store: `${options.store}/no` }),
      /labelled\.json: found no such/,
    );
    for (
      const wrong of [{ batchSize: 0 }, { workers: -1 }, { prefetch: 0 }, { cropSize: [0, 1, 1] as const }]
    ) {
      assert.throws(() => createLabelledLoader({ ...options, ...wrong }), /Cannot load samples: found/);
    }
    assert.throws(
      () => createLabelledLoader({ ...options, finalSize: [9, 8, 8] }),
      /crop 8x8x8 is smaller than patch/,
    );
    assert.throws(
      () => createLabelledLoader({ ...options, oversample: 1.5 }),
      /found oversample 1\.5, wanted a number/,
    );
    await Deno.remove(`${options.store}/${store.case("c1").locations.path}`);
    for (const workers of [0, 1]) {
      await assert.rejects(
        load({ ...options, cases: ["c1"], workers, oversample: 1 }),
        /Cannot read .*c1\/locations\.safetensors: found no such file/,
      );
    }
  }));
