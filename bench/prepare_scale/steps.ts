/**
 * The steps of `prepareDataset` around the voxels, on one collection: `steps.ts FOLDER ENTRIES`. Volumes are made up from the headers, as
 * if every image had been prepared; everything else is what `prepareDataset` does.
 */
import { discover } from "../../data/discovery/mod.ts";
import { loadFilters } from "../../data/filters/mod.ts";
import { imageSettings, imageTasks } from "../../data/prepare/plan_images.ts";
import { type RunFacts, writeOutputs, writePlan } from "../../data/prepare/outputs.ts";
import { finishedVolume } from "../../data/prepare/prepare_image.ts";
import { surveyImages } from "../../data/prepare/survey.ts";
import { readPretrainData, writePretrainData } from "../../data/pretrain_data.ts";
import { openStore } from "../../data/store.ts";
import type { StoreVolume } from "../../data/store_index.ts";
import { measureStep } from "./measure.ts";

const [folder, count] = Deno.args, entries = Number(count), out = `${folder}/store`;
const measure = <T>(step: string, run: () => Promise<T>) => measureStep(entries, step, run);

await Deno.mkdir(out, { recursive: true });
const data = await measure("discovery", () => discover(`${folder}/tree`, { name: "links" }));
await measure("pretrain_data.json", async () => {
  await readPretrainData(`${folder}/pretrain_data.json`);
  await writePretrainData(`${out}/pretrain_data.json`, data);
});
const lenient = await loadFilters("lenient");
const orientation = "RAS";
await measure(
  "headers, duplicates",
  () => surveyImages(data, { filters: { dropDuplicates: true }, orientation }),
);
// Heads are small files: the rule about the file's size would leave none.
const filters = { ...lenient, minFileBytes: undefined, spacingBelowMm: 20 };
const { images, headers } = await measure(
  "headers, filters",
  () => surveyImages(data, { filters, orientation }),
);

const facts: RunFacts = {
  head: {
    collection: "links",
    configuration: "onemmiso",
    dtype: "float16",
    compression: "none",
    orientation,
  },
  splitSeed: 12345,
  source: folder,
  fingerprint: { spacings: images.flatMap(({ id }) => headers.has(id) ? [headers.get(id)!.spacing] : []) },
  images,
};
const tasks = await measure("plan, tasks", async () => {
  const plan = await writePlan(out, facts);
  const settings = imageSettings({ source: folder, out }, plan);
  const tasks = await imageTasks(images.filter(({ rejection }) => !rejection), headers, settings);
  for (const task of tasks) if (finishedVolume(task, out)) throw new Error(`${task.path} is there already`);
  return tasks;
});
const volumes = new Map(tasks.map(({ id, subject, modality, path }): [string, StoreVolume] => [id, {
  id,
  subject,
  modality,
  path,
  shape: headers.get(id)!.shape,
  spacing: [1, 1, 1],
  bytes: 2 * headers.get(id)!.shape.reduce((product, size) => product * size),
  sha256: "0".repeat(64),
}]));
await measure("split, index", () => writeOutputs(out, data, facts, { volumes, rejected: new Map() }));
await measure("open the store", () => Promise.resolve(openStore(out).close()));
console.error(
  `${entries} entries: ${volumes.size} kept, ${images.length - volumes.size} left out by filters`,
);
