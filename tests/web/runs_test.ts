import assert from "node:assert/strict";
import type { TrainEvent } from "../../train/events.ts";
import { RunLog } from "../../train/run_log.ts";
import type { RunState } from "../../web/api.ts";
import { HttpError } from "../../web/route.ts";
import { configDiff } from "../../web/runs/config_diff.ts";
import { findRuns } from "../../web/runs/find_runs.ts";
import { LogSource } from "../../web/runs/log_source.ts";
import { addNote, readNotes } from "../../web/runs/notes.ts";
import { runDetail } from "../../web/runs/run_detail.ts";
import { describeRun, readFacts } from "../../web/runs/run_facts.ts";
import { RunStore } from "../../web/runs/run_store.ts";
import { runSeries, seriesCsv } from "../../web/runs/series.ts";
import { runVolumes, sliceIndex } from "../../web/runs/stored_files.ts";
import { TrainingClock } from "../../web/runs/training_clock.ts";
import { startedEvent, withFolder, writeRun } from "./run_folders.ts";

const segmentation = (step: number, pseudoDice: readonly number[], meanDice: number): TrainEvent => ({
  type: "segmentation",
  step,
  epoch: step / 10,
  trainLoss: 0.1,
  valLoss: 0.2,
  pseudoDice,
  meanDice,
  emaDice: meanDice / 2,
});

Deno.test("findRuns() finds runs and reports to a depth of six, and follows no link", () =>
  withFolder(async (root) => {
    const touch = async (path: string) => {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, "{}");
    };
    for (
      const path of [
        "first/run.sqlite",
        "a/b/c/d/e/f/run.json",
        "a/b/c/d/e/f/g/run.json",
        "study/report.html",
        "waiting/inputs.json",
        "waiting/config.json",
        "folds/inputs.json",
        "folds/config.json",
        "folds/fold_0/run.json",
        "first/checkpoints/run.json",
        "cohort/store.json",
        "cohort/inside/run.json",
        ".hidden/run.json",
        "odd\\name/run.json",
        "outside/plain.txt",
      ]
    ) await touch(path);
    await Deno.symlink(`${root}/first`, `${root}/link`);
    const { runs, reports, message } = await findRuns(root);
    assert.deepEqual([...runs].sort(), ["a/b/c/d/e/f", "first", "folds/fold_0", "waiting"]);
    assert.deepEqual(reports, ["study"]);
    assert.equal(message, null);
    assert.deepEqual((await findRuns(`${root}/first`)).runs, [""]);
    assert.deepEqual((await findRuns(`${root}/none`)).runs, []);
  }));

Deno.test("RunStore.info() tells the state of a run by its last event and its silence", () =>
  withFolder(async (root) => {
    const metrics = { loss: [1, 0.5, NaN], seconds: [10, 20, 30] };
    const runs: Record<string, [readonly TrainEvent[], RunState, string | null]> = {
      running: [[startedEvent()], "running", null],
      finished: [[startedEvent(), { type: "finished", step: 100, seconds: 9 }], "finished", null],
      stopped: [
        [startedEvent(), { type: "stopped", step: 3, reason: "request" }],
        "stopped",
        "stopped: request",
      ],
      failed: [[startedEvent(), { type: "failed", step: 3, message: "no room" }], "failed", "no room"],
      resumed: [
        [startedEvent(), { type: "failed", step: 3, message: "no room" }, startedEvent(2)],
        "running",
        null,
      ],
    };
    for (const [id, [events]] of Object.entries(runs)) await writeRun(`${root}/${id}`, { events, metrics });
    await writeRun(`${root}/starting`);
    using store = new RunStore([root]);
    for (const [id, [, state, message]] of Object.entries(runs)) {
      const info = await store.info(id);
      assert.deepEqual([info.state, info.message], [state, message], id);
    }
    const info = await store.info("running");
    assert.deepEqual(
      [info.step, info.steps, info.epoch, info.epochs, info.loss, info.stepsPerSecond, info.etaSeconds],
      [3, 100, 0, 10, 0.5, 0.1, 970],
    );
    assert.deepEqual([info.adapter, info.seed, info.kind], ["Adapter", 3, "pretraining"]);
    assert.equal((await store.info("finished")).step, 100);
    assert.equal((await store.info("starting")).state, "starting");
    const { runs: list } = await store.list();
    assert.deepEqual(list.map(({ id }) => id).sort(), [...Object.keys(runs), "starting"].sort());
    await assert.rejects(store.info("none"), (error: HttpError) => error.status === 404);
    await assert.rejects(store.info("running/.."), HttpError);
  }));

Deno.test("describeRun() calls a run stale after five times its longest silence or validation", () =>
  withFolder((root) => {
    using log = RunLog.open(`${root}/run.sqlite`);
    log.addEvent(startedEvent());
    assert.equal(describeRun(readFacts("a", {}, log), 0, 599e3).state, "starting");
    assert.equal(describeRun(readFacts("a", {}, log), 0, 601e3).state, "stale");
    const at = (seconds: number) => describeRun(readFacts("a", {}, log), 0, 1000 * seconds).state;
    log.addMetrics([1, 2].map((value, step) => ({ step, name: "seconds", value })));
    assert.deepEqual([at(599), at(601)], ["running", "stale"], "it may be validating for the first time");
    log.addMetrics([{ step: 1, name: "validationMs", value: 10 }]);
    assert.deepEqual([at(119), at(121)], ["running", "stale"]);
    log.addMetrics([{ step: 1, name: "validationMs", value: 60_000 }]);
    assert.deepEqual([at(299), at(301)], ["running", "stale"]);
    log.addMetrics([5, 105, 135].map((value, i) => ({ step: 2 + i, name: "seconds", value })));
    assert.deepEqual([at(499), at(501)], ["running", "stale"]);
    assert.equal(describeRun(readFacts("a", {}, log), 0, 501e3).etaSeconds, null);
    log.addMetrics([{ step: 5, name: "seconds", value: 8 }]); // gone on in a new process
    assert.deepEqual([at(299), at(301)], ["running", "stale"]);
  }));

Deno.test("RunStore tells of damaged, empty and half-written runs instead of failing", () =>
  withFolder(async (root) => {
    for (const id of ["garbage", "cut", "empty", "other", "json"]) {
      await writeRun(`${root}/${id}`, { metrics: { loss: Array(5000).fill(1) } });
    }
    await Deno.writeTextFile(`${root}/garbage/run.sqlite`, "no database ".repeat(1000));
    const whole = await Deno.readFile(`${root}/cut/run.sqlite`);
    await Deno.writeFile(`${root}/cut/run.sqlite`, whole.subarray(0, Math.floor(whole.length / 2)));
    await Deno.writeTextFile(`${root}/empty/run.sqlite`, "");
    await Deno.remove(`${root}/other/run.sqlite`);
    await Deno.mkdir(`${root}/other/run.sqlite`);
    await Deno.writeTextFile(`${root}/json/run.json`, '{"config": {"seed"');
    using store = new RunStore([root]);
    const states = Object.fromEntries(
      (await store.list()).runs.map(({ id, state, message }) => [id, { state, message }]),
    );
    assert.equal(states.garbage.state, "unreadable");
    assert.match(states.garbage.message!, /not a database/);
    assert.equal(states.cut.state, "unreadable");
    assert.equal(states.empty.state, "starting");
    assert.equal(states.other.state, "unreadable");
    assert.equal(states.json.state, "running");
    for (const id of Object.keys(states)) {
      const detail = await runDetail(store, id, false);
      assert.equal(detail.info.id, id);
      await runSeries(store, id, { names: ["loss"], points: 10 }).catch((error: HttpError) =>
        assert.equal(error.status, 409)
      );
    }
    await Deno.remove(`${root}/json`, { recursive: true });
    await assert.rejects(store.info("json"), (error: HttpError) => error.status === 404);
    assert.equal((await store.list()).runs.length, 4);
  }));

Deno.test("LogSource follows a log that is being written, and makes no file beside one that is not", () =>
  withFolder((root) => {
    const path = `${root}/run.sqlite`;
    using source = new LogSource(path);
    assert.equal(source.current(), null);
    const writer = RunLog.open(path);
    writer.addMetrics([{ step: 0, name: "loss", value: 1 }]);
    const first = source.current();
    assert.equal(first?.lastStep(), 0);
    writer.addMetrics([{ step: 1, name: "loss", value: 1 }]);
    assert.equal(source.current(), first);
    assert.equal(first?.lastStep(), 1);
    writer.close();
    assert.equal(source.current()?.lastStep(), 1);
    source.close();
    for (const end of ["-wal", "-shm"]) Deno.removeSync(path + end);
    assert.equal(source.current()?.lastStep(), 1);
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["run.sqlite"]);
    using again = RunLog.open(path);
    again.addMetrics([{ step: 2, name: "loss", value: 1 }]);
    assert.equal(source.current()?.lastStep(), 2);
    Deno.removeSync(path);
    assert.equal(source.current(), null);
  }));

Deno.test("LogSource reads what a killed writer left behind", () =>
  withFolder((root) => {
    using writer = RunLog.open(`${root}/run.sqlite`);
    writer.addMetrics([{ step: 0, name: "loss", value: 1 }]);
    Deno.mkdirSync(`${root}/killed`);
    for (const name of ["run.sqlite", "run.sqlite-wal"]) {
      Deno.copyFileSync(`${root}/${name}`, `${root}/killed/${name}`);
    }
    using source = new LogSource(`${root}/killed/run.sqlite`);
    assert.equal(source.current()?.lastStep(), 0);
    Deno.writeFileSync(
      `${root}/killed/run.sqlite-wal`,
      Deno.readFileSync(`${root}/run.sqlite-wal`).subarray(0, -100),
    );
    source.close();
    assert.ok((source.current()?.lastStep() ?? -1) <= 0, "a torn last page counts as never written");
  }));

Deno.test("LogSource reads copies where the log's shared memory is out of reach, and renews them", () =>
  withFolder(async (root) => {
    const path = `${root}/run.sqlite`;
    using writer = RunLog.open(path);
    writer.addMetrics([{ step: 0, name: "loss", value: 1 }]);
    using source = new LogSource(path, true);
    const before = [...Deno.readDirSync(root)].map(({ name }) => name).sort();
    assert.equal(source.current()?.lastStep(), 0);
    writer.addMetrics([{ step: 1, name: "loss", value: 1 }]);
    assert.equal(source.current()?.lastStep(), 0, "copied at most every few seconds");
    await new Promise((resolve) => setTimeout(resolve, 3050));
    assert.equal(source.current()?.lastStep(), 1);
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name).sort(), before);
  }));

Deno.test("TrainingClock adds up the starts of a run and divides the time between readings", () => {
  const clock = new TrainingClock([{ step: 9, seconds: 10 }, { step: 19, seconds: 30 }, {
    step: 29,
    seconds: 5,
  }]);
  assert.deepEqual([0, 9, 14, 19, 24, 29, 30].map((step) => clock.at(step)), [1, 10, 20, 30, 32.5, 35, null]);
  assert.equal(new TrainingClock([]).at(3), null);
});

Deno.test("runSeries() reads ranges, and seriesCsv() every value", () =>
  withFolder(async (root) => {
    const loss = Array.from({ length: 2500 }, (_, i) => i === 7 ? NaN : 1 / (i + 1));
    await writeRun(`${root}/first`, { metrics: { loss, valLoss: [3], seconds: loss.map((_, i) => i * 2) } });
    await writeRun(`${root}/a, b`, { metrics: { loss: [1 / 3, 2] } });
    using store = new RunStore([root]);
    const query = { names: ["loss", "none"], points: 100 };
    const { series: [all, none] } = await runSeries(store, "first", query);
    assert.equal(all.step.length, 100);
    assert.deepEqual([all.step[0], all.highest[0], all.lowest[0], all.seconds[0]], [24, 1, 0.04, 48]);
    assert.deepEqual(none.step, []);
    const { series: [part] } = await runSeries(store, "first", { ...query, from: 5, to: 8 });
    assert.deepEqual(part.mean, [0.1666667, 0.1428571, null, 0.1111111]);
    const text = (await Array.fromAsync(seriesCsv(store, ["first", "a, b"], ["loss", "valLoss"]))).join("");
    const lines = text.trimEnd().split("\r\n");
    assert.equal(lines[0], 'step,first loss,first valLoss,"a, b loss","a, b valLoss"');
    assert.deepEqual(lines.slice(1, 4), [`0,1,3,${1 / 3},`, "1,0.5,,2,", `2,${1 / 3},,,`]);
    assert.equal(lines[8], "7,NaN,,,");
    assert.equal(lines.length, 2501);
  }));

Deno.test("configDiff() lists the settings that differ, lists as a whole", () => {
  const base = { seed: 1, optimizer: { kind: "sgd", lr: 0.1 }, patch: [32, 32, 32], empty: {} };
  assert.deepEqual(configDiff([base, base]), []);
  assert.deepEqual(configDiff([base, { ...base, optimizer: { kind: "adamw" }, patch: [32, 32, 16] }]), [
    { path: "optimizer.kind", values: ['"sgd"', '"adamw"'] },
    { path: "optimizer.lr", values: ["0.1", null] },
    { path: "patch", values: ["[32,32,32]", "[32,32,16]"] },
  ]);
});

Deno.test("runDetail() collects what a run's files say", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/first`, {
      metrics: { loss: [1], lr: [1] },
      events: [
        startedEvent(),
        { type: "validation", step: 10, epoch: 1, valLoss: 0.5, valLossConstant: 1, valLossNearest: 0.7 },
        { type: "warning", step: 11, message: "odd" },
      ],
    });
    await Deno.mkdir(`${root}/first/pictures`);
    await Deno.mkdir(`${root}/first/control`);
    await Deno.writeTextFile(`${root}/first/pictures/step_00000010.png`, "");
    await Deno.writeTextFile(`${root}/first/plan.txt`, "plan");
    const data = { rejected: [{ id: "a", file: "a.nii", reason: "no voxels" }] };
    await Deno.writeTextFile(`${root}/first/summary.json`, JSON.stringify({ state: "stopped", data }));
    await Deno.writeTextFile(`${root}/report.html`, "<title>t</title>");
    using store = new RunStore([root]);
    const detail = await runDetail(store, "first", true);
    assert.deepEqual(detail.metrics, ["loss", "lr"]);
    assert.deepEqual(detail.baselines, { constant: 1, nearest: 0.7 });
    assert.deepEqual(detail.warnings.map(({ step, message }) => [step, message]), [[11, "odd"]]);
    assert.deepEqual([detail.plan, detail.peakFlopPerSecond, detail.takesRequests], ["plan", 2e12, true]);
    assert.deepEqual(detail.rejected, [{ file: "a.nii", reason: "no voxels" }]);
    assert.deepEqual(detail.pictures, ["pictures/step_00000010.png"]);
    assert.deepEqual(detail.reports.map(({ url }) => url), ["/api/report?report=~0"]);
    assert.deepEqual([detail.config.seed, detail.environment.store], [3, "s"]);
    assert.equal((await runDetail(store, "first", false)).takesRequests, false);
  }));

Deno.test("runDetail() puts the folds of a cross-validation side by side", () =>
  withFolder(async (root) => {
    const fold = async (name: string, config: object, dice: readonly number[]) => {
      const events = [startedEvent(), segmentation(10, [0, 0], 0), segmentation(20, dice, dice[0])];
      await writeRun(`${root}/${name}`, {
        config: { seed: 1, epochs: 2, stepsPerEpoch: 10, ...config },
        events,
      });
    };
    await fold("cv/fold_0", { fold: 0 }, [0.5, NaN]);
    await fold("cv/fold_1", { fold: 1 }, [0.25, 1]);
    await fold("cv/longer", { fold: 1, epochs: 5 }, [1, 1]);
    await fold("fold_2", { fold: 2 }, [1, 1]);
    const labels = { background: 0, liver: 1, tumour: 2 };
    await Deno.writeTextFile(`${root}/cv/fold_0/dataset.json`, JSON.stringify({ labels }));
    using store = new RunStore([root]);
    const detail = await runDetail(store, "cv/fold_0", false);
    assert.equal(detail.info.kind, "finetuning");
    assert.deepEqual(detail.classes, ["liver", "tumour"]);
    assert.deepEqual(detail.segmentations.map(({ step, pseudoDice }) => [step, pseudoDice]), [[10, [0, 0]], [
      20,
      [0.5, null],
    ]]);
    assert.deepEqual(detail.folds.map(({ run, fold, meanDice }) => [run, fold, meanDice]), [
      ["cv/fold_0", 0, 0.5],
      ["cv/fold_1", 1, 0.25],
    ]);
    assert.deepEqual((await runDetail(store, "fold_2", false)).folds, []);
  }));

Deno.test("addNote() appends, readNotes() passes over what is damaged, and neither follows a link", () =>
  withFolder(async (root) => {
    await addNote(root, "  first\nline ", 5);
    await Deno.writeTextFile(`${root}/notes.jsonl`, '{"time": 1, "text', { append: true });
    assert.deepEqual(await readNotes(root), [{ time: 5, text: "first\nline" }]);
    for (const text of ["", " ", "x".repeat(2001), 7, undefined]) {
      await assert.rejects(addNote(root, text), (error: HttpError) => error.status === 400);
    }
    await Deno.remove(`${root}/notes.jsonl`);
    await Deno.mkdir(`${root}/run`);
    await Deno.writeTextFile(`${root}/secret`, '{"time": 1, "text": "secret"}\n');
    await Deno.symlink(`${root}/secret`, `${root}/run/notes.jsonl`);
    assert.deepEqual(await readNotes(`${root}/run`), []);
    await assert.rejects(addNote(`${root}/run`, "a"), (error: HttpError) => error.status === 409);
    assert.equal((await Deno.readTextFile(`${root}/secret`)).length, 30);
  }));

Deno.test("sliceIndex() and runVolumes() list what is there, with the images of a study's data set", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/study/runs/seed0`, { config: { fold: 0 } });
    using store = new RunStore([root]);
    const run = "study/runs/seed0", folder = `${root}/${run}`;
    assert.deepEqual(await sliceIndex(store, run), { run, reference: null, steps: [] });
    for (
      const inner of [`${folder}/slices`, `${folder}/validation`, `${root}/study/datasets/heads/imagesTr`]
    ) {
      await Deno.mkdir(inner, { recursive: true });
    }
    for (const name of ["slices/reference", "slices/step_00000020", "slices/step_00000010"]) {
      await Deno.writeTextFile(`${folder}/${name}.safetensors`, "");
    }
    assert.deepEqual((await sliceIndex(store, run)).steps.map(({ step }) => step), [10, 20]);
    await Deno.writeTextFile(
      `${folder}/dataset.json`,
      JSON.stringify({ name: "heads", file_ending: ".nii.gz" }),
    );
    await Deno.writeTextFile(`${folder}/validation/a b.nii.gz`, "1234");
    await Deno.writeTextFile(`${folder}/validation/c.nii.gz`, "1");
    await Deno.writeTextFile(`${root}/study/datasets/heads/imagesTr/a b_0000.nii.gz`, "");
    const { volumes } = await runVolumes(store, run);
    assert.deepEqual(volumes.map(({ file, bytes, image }) => [file, bytes, image]), [
      ["validation/a b.nii.gz", 4, "/api/image?run=study%2Fruns%2Fseed0&case=a%20b"],
      ["validation/c.nii.gz", 1, null],
    ]);
    await Deno.mkdir(`${root}/labelled/imagesTr`, { recursive: true });
    await Deno.writeTextFile(`${root}/labelled/imagesTr/c_0000.nii.gz`, "");
    await Deno.writeTextFile(
      `${root}/study/runs/inputs.json`,
      JSON.stringify({ dataset: `${root}/labelled` }),
    );
    assert.equal(
      (await runVolumes(store, run)).volumes[1].image,
      "/api/image?run=study%2Fruns%2Fseed0&case=c",
      "what all folds were started with stands in the folder above them",
    );
  }));
