import assert from "node:assert/strict";
import { type StudyConfig, studyConfigSchema } from "../../cli/study/config.ts";
import { studyCases } from "../../cli/study/datasets.ts";
import { configDigest, finalUses, recordFinalUse } from "../../cli/study/final_record.ts";
import { choiceJobs, chooseCandidates, type StudyJob, studyJobs } from "../../cli/study/jobs.ts";
import { openStudy } from "../../cli/study/low_data.ts";
import { pretrainingConfig } from "../../cli/study/pretraining.ts";
import { collectResults } from "../../cli/study/results.ts";
import { studyCsv, writeStudyReport } from "../../cli/study/study_report.ts";
import { studyText } from "../../cli/study/study_text.ts";
import { temporaryFolder } from "../support/spawn.ts";

const config = studyConfigSchema.parse({ labelled: [1, 3], seeds: 2, tasks: ["structures"] });

/** What each task uses when no method has several candidates. */
const choicesOf = (config: StudyConfig) => chooseCandidates(config, () => assert.fail("nothing to choose"));

/** Writes the scores of a run as the study does. */
async function writeScores(
  study: string,
  { folder }: StudyJob,
  subset: string,
  scores: Record<string, number | null>,
) {
  await Deno.mkdir(`${study}/${folder}/${subset}`, { recursive: true });
  await Deno.writeTextFile(`${study}/${folder}/${subset}/scores.json`, JSON.stringify(scores));
}

Deno.test("studyJobs() runs all methods of a seed before the next seed", () => {
  const jobs = studyJobs(config, choicesOf(config));
  assert.equal(jobs.length, 2 * 2 * 3);
  assert.deepEqual(jobs.slice(0, 4).map(({ folder }) => folder), [
    "runs/structures/scratch/n1/seed0",
    "runs/structures/mae/n1/seed0",
    "runs/structures/s3d/n1/seed0",
    "runs/structures/scratch/n3/seed0",
  ]);
  assert.ok(jobs.slice(0, 6).every(({ seed }) => seed === 0));
  const head = { image: "a", label: "b", classes: ["c"] };
  const half = studyConfigSchema.parse({ tasks: ["half-head"], head, labelled: [1, 5] });
  assert.ok(studyJobs(half, choicesOf(half)).every(({ labelled }) => labelled === 1));
});

Deno.test("every task takes the best of a method's candidates, the first of equals, on a seed of its own", async () => {
  const tried = studyConfigSchema.parse({
    tasks: ["structures", "lesions"],
    methods: ["scratch", "s3d"],
    seeds: 2,
    candidates: {
      s3d: [
        { name: "slow", finetuning: { optimizer: { lr: 1e-3 } } },
        { name: "fast", finetuning: { optimizer: { lr: 1e-2 } }, transferDecoder: true },
        { name: "faster" },
      ],
    },
  });
  const jobs = choiceJobs(tried);
  assert.deepEqual([jobs.length, jobs[0].seed, jobs[0].labelled], [6, 2, 2]);
  assert.equal(jobs[1].folder, "choice/structures/s3d/fast");
  const choices = chooseCandidates(
    tried,
    ({ task, candidate }) => task === "structures" ? (candidate.name === "slow" ? 0.1 : 0.7) : 0.3,
  );
  assert.deepEqual(choices.map(({ chosen }) => chosen.name), ["default", "fast", "default", "slow"]);
  const runs = studyJobs(tried, choices);
  assert.ok(
    runs.filter(({ task, method }) => task === "structures" && method === "s3d").every(({ candidate }) =>
      candidate.transferDecoder
    ),
  );
  using folder = temporaryFolder();
  await writeStudyReport(folder.path, await collectResults(folder.path, tried, choices));
  const text = await Deno.readTextFile(`${folder.path}/README.md`);
  assert.match(
    text,
    /\| structures \| S3D \| slow \| 10.00 \|\n\| structures \| S3D \| fast \| \*\*70.00\*\* \|/,
  );
  assert.match(
    studyConfigSchema.safeParse({ candidates: { mae: [{ name: "a" }, { name: "a" }] } }).error!.message,
    /two candidates named a/,
  );
});

Deno.test("studyCases() never trains on development cases, and its order depends on the seed alone", () => {
  const { pool, development } = studyCases(config, "structures");
  assert.equal(new Set([...pool, ...development]).size, config.cohort.pool + config.cohort.development);
  assert.deepEqual(studyCases(config, "lesions"), { pool, development });
  assert.notDeepEqual(studyCases({ ...config, seed: 5 }, "structures").pool, pool);
});

Deno.test("a study refuses more labels than its pool has, and a half-head task without head", () => {
  assert.match(
    studyConfigSchema.safeParse({ labelled: [11] }).error!.message,
    /Found 11 labelled cases, the pool has 10/,
  );
  assert.match(studyConfigSchema.safeParse({ tasks: ["half-head"] }).error!.message, /needs a labelled head/);
});

Deno.test("pre-training of a study differs between methods in the network's kind alone", () => {
  const s3d = pretrainingConfig(config, "s3d"), mae = pretrainingConfig(config, "mae");
  assert.equal(mae.network.kind, "mae");
  assert.deepEqual({ ...mae, network: { ...mae.network, kind: "s3d" } }, s3d);
});

Deno.test("openStudy() goes on with the settings that are there and refuses others", async () => {
  using folder = temporaryFolder();
  const study = `${folder.path}/study`;
  assert.deepEqual(await openStudy(study, config), config);
  assert.deepEqual(await openStudy(study, null), config);
  await assert.rejects(
    () => openStudy(study, { ...config, seeds: 5 }),
    /it holds a study with other settings/,
  );
});

Deno.test("every use of the test cases is recorded, with the settings it was made with", async () => {
  using folder = temporaryFolder();
  assert.deepEqual(await finalUses(folder.path), []);
  const use = { time: "2026-01-01T00:00:00.000Z", config: await configDigest(config), runs: 12 };
  await recordFinalUse(folder.path, use);
  await recordFinalUse(folder.path, { ...use, runs: 13 });
  assert.deepEqual((await finalUses(folder.path)).map(({ runs }) => runs), [12, 13]);
  assert.notEqual(await configDigest({ ...config, seeds: 9 }), use.config);
});

Deno.test("results pair methods by case, over the mean of the seeds", async () => {
  using folder = temporaryFolder();
  const study = folder.path;
  const jobs = studyJobs(config, choicesOf(config)).filter(({ labelled }) => labelled === 1);
  const gain = { scratch: 0, mae: 0.02, s3d: 0.1 };
  for (const job of jobs) {
    const shift = gain[job.method] + 0.04 * job.seed;
    await writeScores(study, job, "development", { a: 0.2 + shift, b: 0.6 + shift, c: null });
  }
  const results = await collectResults(study, config, choicesOf(config));
  const s3d = results.scores.find(({ method }) => method === "s3d")!;
  assert.deepEqual(s3d.perCase.map((value) => value === null ? null : value.toFixed(3)), [
    "0.320",
    "0.720",
    null,
  ]);
  assert.deepEqual(s3d.seeds.map((value) => value.toFixed(3)), ["0.500", "0.540"]);
  assert.equal(s3d.dice.toFixed(3), "0.520");
  const { comparison, interval } = results.differences.find(({ method }) => method === "s3d")!;
  assert.deepEqual(
    [interval.mean, interval.low, interval.high].map((x) => x.toFixed(6)),
    new Array(3).fill("0.100000"),
  );
  assert.equal(interval.count, 4);
  for (const value of [comparison.difference.mean, comparison.difference.low, comparison.difference.high]) {
    assert.equal(value.toFixed(6), "0.100000");
  }
  assert.deepEqual([comparison.difference.count, comparison.wins], [2, 2]);
  await writeStudyReport(study, results);
  const table = await Deno.readTextFile(`${study}/README.md`);
  assert.match(
    table,
    /\| structures \| 1 \| S3D \| 52.00 \(50.00 to 54.00\) \| \+10.00 \(\+10.00 to \+10.00\) \| 3 \|/,
  );
  assert.match(table, /have not been opened/);
  assert.match(studyText(study, results), /structures, 1 labelled, from scratch: Dice 42.00/);
  assert.equal(studyCsv(results).trim().split("\n").length, 1 + 3 * 3);
  for (const file of ["report.html", "curve_structures.svg"]) {
    assert.ok((await Deno.stat(`${study}/${file}`)).size > 500);
  }
});

Deno.test("once the test cases were opened, they are what is shown", async () => {
  using folder = temporaryFolder();
  const jobs = studyJobs(config, choicesOf(config)).filter(({ labelled, seed }) =>
    labelled === 1 && seed === 0
  );
  for (const job of jobs) {
    await writeScores(folder.path, job, "development", { a: 0.5 });
    await writeScores(folder.path, job, "test", { x: 0.25, y: 0.35 });
  }
  await recordFinalUse(folder.path, { time: "2026-01-01T00:00:00.000Z", config: "0", runs: 3 });
  const results = await collectResults(folder.path, config, choicesOf(config));
  assert.match(studyText(folder.path, results), /S3D: Dice 30.00.*\n.*test cases/s);
  await writeStudyReport(folder.path, results);
  assert.match(await Deno.readTextFile(`${folder.path}/README.md`), /were opened once: 2026-01-01/);
});
