import assert from "node:assert/strict";
import { storeIndex } from "../../bench/loader/store_index.ts";
import { SamplePlanner } from "../../data/load_sample.ts";
import { openStore } from "../../data/store.ts";
import { type StoreVolume, writeStoreIndex } from "../../data/store_index.ts";
import { preparedPaths } from "../../data/store_paths.ts";
import { verifyStore } from "../../data/verify_store.ts";
import { withFolder } from "../support/nifti_bytes.ts";

const MODALITIES = ["T1w", "T2w", "FLAIR"];

/** An index of volumes that do not exist: four of a subject. */
async function writeIndex(store: string, count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => {
    const dataset = `ds${1000 + i % 800}`, subject = `sub-${i >> 2}`;
    const name = `${subject}_run-${i & 3}_T1w.nii.gz`;
    return {
      collection: "Dataset745_OpenMind",
      dataset,
      subject,
      session: "ses-DEFAULT",
      image: {
        name,
        image_path: name,
        modality: MODALITIES[i % 3],
        image_info: null,
        associated_masks: null,
      },
      imageId: `Dataset745_OpenMind__${dataset}__${subject}__ses-DEFAULT__${name}`,
      subjectId: `Dataset745_OpenMind__${dataset}__${subject}`,
    };
  });
  const paths = preparedPaths(entries);
  const volumes = entries.map(({ imageId, subjectId, image: { modality } }, i): StoreVolume => ({
    id: imageId,
    subject: subjectId,
    modality,
    path: paths.get(imageId)!,
    shape: [180, 220, 190],
    spacing: [1, 1, 1],
    bytes: 15_048_000,
    sha256: `${i}`.padStart(64, "0"),
  }));
  const subjects = [...new Set(volumes.map(({ subject }) => subject))];
  await writeStoreIndex(store, storeIndex(volumes, { dtype: "float16", val: subjects.slice(0, 100) }));
}

/** Best time of three, in milliseconds. */
function bestOf(work: () => void): number {
  const times = [0, 1, 2].map(() => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return Math.min(...times);
}

Deno.test("a store of 100,000 volumes opens in seconds, and draws take the same time as in a small one", () =>
  withFolder(async (folder) => {
    const figures: { count: number; openMs: number; planMs: number; drawUs: number }[] = [];
    for (const count of [12_500, 25_000, 50_000, 100_000]) {
      const store = `${folder}/${count}`;
      await Deno.mkdir(store);
      await writeIndex(store, count);
      const openMs = bestOf(() => openStore(store).close());
      const source = {
        store,
        subset: "train",
        seed: 1,
        cropSize: [257, 257, 257],
        finalSize: [160, 160, 160],
        sampling: { balance: "subject", centre: "anatomy" },
      } as const;
      const planMs = bestOf(() => void new SamplePlanner(source));
      const planner = new SamplePlanner(source), draws = 20_000;
      const drawUs = 1000 / draws * bestOf(() => {
        for (let step = 0; step < draws; step++) planner.plan(step, 0);
      });
      figures.push({ count, openMs, planMs, drawUs });
    }
    for (const { count, openMs, planMs, drawUs } of figures) {
      console.log(
        `${count} volumes: open ${openMs.toFixed(0)} ms, planner ${planMs.toFixed(0)} ms, a draw ${
          drawUs.toFixed(1)
        } us`,
      );
    }
    const [small, , , large] = figures;
    assert.ok(large.openMs < 3000 && large.planMs < 4000);
    assert.ok(large.openMs < 8 * 2.5 * small.openMs, "no worse than n log n, with room for a busy machine");
    assert.ok(large.drawUs < 5 * small.drawUs + 5);
    const started = performance.now();
    const problems = await verifyStore(`${folder}/12500`);
    console.log(`12,500 missing arrays found in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    assert.equal(problems.filter(({ kind }) => kind === "missing").length, 12_500);
  }));
