import assert from "node:assert/strict";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { hashRandom } from "../../data/random.ts";
import { diagonalAffine, type Dims3, makeVolume } from "../../data/volume.ts";
import {
  evaluateFolder,
  type EvaluateFolderOptions,
  metricsCsv,
  poolSummaries,
  readSummary,
  writeSummary,
} from "../../evaluate/mod.ts";
import { temporaryFolder } from "../support/spawn.ts";

const SHAPE: Dims3 = [8, 9, 10];

interface MapOptions {
  readonly shape?: Dims3;
  readonly spacing?: Dims3;
  readonly origin?: [number, number, number];
  /** Share of voxels that get another label. */
  readonly noise?: number;
  readonly extra?: number;
}

/** Writes a label map with a box of label 1 and one of label 2. */
async function writeMap(path: string, options: MapOptions = {}): Promise<void> {
  const { shape = SHAPE, spacing = [2, 1, 1.5], origin = [3, 4, 5], noise = 0, extra } = options;
  const random = hashRandom(path.length, noise > 0 ? 1 : 0);
  const data = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => {
    const x = i % shape[2], z = Math.floor(i / (shape[1] * shape[2]));
    const label = z > 1 && z < 6 ? (x > 1 && x < 5 ? 1 : x > 5 ? 2 : 0) : 0;
    return random.uniform() < noise ? 1 - Math.min(label, 1) : label;
  });
  if (extra !== undefined) data[7] = extra;
  await writeNifti(path, makeVolume(data, shape, diagonalAffine(spacing, origin)), { dtype: "int16" });
}

/** Folders `pred` and `ref` with three cases. */
async function writeCases(folder: string): Promise<EvaluateFolderOptions> {
  const predictions = `${folder}/pred`, labels = `${folder}/ref`;
  await Deno.mkdir(predictions);
  await Deno.mkdir(labels);
  for (const [i, id] of ["b", "a", "c"].entries()) {
    await writeMap(`${labels}/${id}.nii.gz`);
    await writeMap(`${predictions}/${id}.nii`, { noise: i * 0.1 });
  }
  const classes = [{ name: "one", values: [1] }, { name: "both, quoted", values: [1, 2] }];
  return { predictions, labels, classes, workers: 0 };
}

Deno.test("evaluateFolder() pairs files by name, gives the same with threads, and its summary survives a file", async () => {
  using folder = temporaryFolder();
  const options = await writeCases(folder.path);
  const seen: string[] = [];
  const summary = await evaluateFolder({
    ...options,
    tolerances: [1, 2],
    onProgress: (done, total, id) => seen.push(`${done}/${total} ${id}`),
  });
  assert.deepEqual(seen, ["1/3 a", "2/3 b", "3/3 c"]);
  assert.deepEqual(summary.metric_per_case.map(({ id }) => id), ["a", "b", "c"]);
  assert.deepEqual(summary.classes.map(({ key, tolerance }) => [key, tolerance]), [["1", 1], ["(1, 2)", 2]]);
  const [, b] = summary.metric_per_case;
  assert.equal(b.metrics["1"].Dice, 1);
  assert.deepEqual(b.spacing, [2, 1, 1.5]);
  assert.equal(b.metrics["1"].volume_ref, 4 * 9 * 3 * 3);
  assert.ok(summary.mean["1"].Dice < 1 && summary.mean["1"].NSD < 1);
  assert.deepEqual(await evaluateFolder({ ...options, tolerances: [1, 2], workers: 2 }), summary);

  await writeSummary(`${folder.path}/summary.json`, summary);
  assert.deepEqual(await readSummary(`${folder.path}/summary.json`), summary);
  const rows = metricsCsv(summary).split("\r\n");
  assert.equal(rows.length, 1 + 6 + 1);
  assert.match(rows[0], /^case,class,key,Dice,IoU,NSD,HD95,ASSD,TP/);
  assert.match(rows[4], /^b,"both, quoted","\(1, 2\)",1,1,1,0,0,/);

  const parts = [["a"], ["b", "c"]].map((cases) => evaluateFolder({ ...options, cases, tolerances: [1, 2] }));
  assert.deepEqual(poolSummaries(await Promise.all(parts)), summary);
  assert.throws(() => poolSummaries([summary, summary]), /3 cases twice/);
});

Deno.test('undefined and infinite metrics are null and "Infinity" in summary.json and come back', async () => {
  using folder = temporaryFolder();
  const options = await writeCases(folder.path);
  const classes = [{ name: "one", values: [1] }, { name: "two", values: [2] }, { name: "none", values: [3] }];
  await Deno.remove(`${options.predictions}/a.nii`);
  const empty = makeVolume(new Float32Array(720), SHAPE, diagonalAffine([2, 1, 1.5], [3, 4, 5]));
  await writeNifti(`${options.predictions}/a.nii`, empty, { dtype: "uint8" });
  const summary = await evaluateFolder({ ...options, classes, cases: ["a"] });
  const path = `${folder.path}/summary.json`;
  await writeSummary(path, summary);
  const json = JSON.parse(await Deno.readTextFile(path));
  const [{ metrics }] = json.metric_per_case;
  assert.deepEqual([metrics["1"].HD95, metrics["3"].Dice, json.mean["3"].Dice], ["Infinity", null, null]);
  assert.deepEqual([json.mean["1"].HD95, json.mean["1"].n_infinite, json.foreground_mean.Dice], [null, 1, 0]);
  assert.deepEqual(await readSummary(path), summary);
  assert.match(metricsCsv(summary), /^a,one,1,0,0,0,Infinity,Infinity,0,/m);
  assert.match(metricsCsv(summary), /^a,none,3,,,,,,0,/m);
});

Deno.test("evaluateFolder() refuses what cannot be compared, in one line each, before it reads a voxel", async () => {
  using folder = temporaryFolder();
  const options = await writeCases(folder.path);
  const { predictions, labels } = options;
  const refuses = async (message: RegExp, change: Partial<EvaluateFolderOptions> = {}) => {
    await assert.rejects(evaluateFolder({ ...options, ...change }), (error: Error) => {
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  };
  await writeMap(`${predictions}/c.nii`, { shape: [8, 9, 11] });
  await refuses(
    /c\.nii: found a prediction of 8x9x11 voxels, wanted 8x9x10, as .*c\.nii\.gz: predict in the geometry/,
  );
  await writeMap(`${predictions}/c.nii`, { spacing: [2, 1, 1.6] });
  await refuses(
    /Cannot evaluate .*c\.nii: found a prediction with voxels of 2 x 1 x 1\.6 mm, wanted 2 x 1 x 1\.5 mm, as/,
  );
  await writeMap(`${predictions}/c.nii`, { origin: [3, 4.5, 5] });
  await refuses(/found a prediction that lies up to 0\.500 mm away from .*, wanted the same origin/);
  await writeMap(`${predictions}/c.nii`, { extra: 4 });
  await refuses(/c\.nii: found undeclared label value 4 in 1 voxels, wanted values among 0-2/);
  await refuses(/c\.nii: found undeclared label value 4/, { workers: 2 });
  await writeMap(`${labels}/d.nii.gz`);
  await refuses(/pred: found no prediction for 1 case \(d\) of 4/);
  await refuses(/ref: found no reference for 1 case \(x\) of 2/, { cases: ["a", "x"] });
  await refuses(/found none, wanted at least one class/, { classes: [] });
  await refuses(/found label 1 twice/, { classes: [options.classes[0], options.classes[0]] });
  await refuses(/one with values 0, wanted whole numbers/, { classes: [{ name: "one", values: [0] }] });
  await refuses(/ignore label 1 in one/, { ignore: 1 });
  await refuses(/Cannot use the tolerances: found 1, 2, 3, wanted one for all classes or 2/, {
    tolerances: [1, 2, 3],
  });
  await refuses(/list .*nowhere: found no such file/, { labels: `${folder.path}/nowhere` });
  await Deno.mkdir(`${folder.path}/empty`);
  await refuses(/found no label maps/, { labels: `${folder.path}/empty` });
  await refuses(/found no prediction for 4 cases/, {
    predictions: `${folder.path}/empty`,
    allowMissing: true,
  });

  await writeMap(`${predictions}/c.nii`);
  await writeMap(`${predictions}/e.nii`);
  const { warnings, metric_per_case } = await evaluateFolder({ ...options, allowMissing: true });
  assert.equal(metric_per_case.length, 3);
  assert.deepEqual(warnings, [
    "1 case (d) without a prediction, left out",
    "1 case (e) predicted but without a reference, left out",
  ]);
  await writeMap(`${predictions}/c.nii.gz`);
  await refuses(/pred: found c\.nii and c\.nii\.gz, wanted one file a case/);
});

Deno.test("evaluateFolder() stops between two cases with the signal's reason", async () => {
  using folder = temporaryFolder();
  const options = await writeCases(folder.path);
  const stop = new AbortController();
  const run = evaluateFolder({
    ...options,
    signal: stop.signal,
    onProgress: (done) => done === 2 && stop.abort(new Error("enough")),
  });
  await assert.rejects(run, /enough/);
});
