import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readSafetensors } from "../../data/safetensors_file.ts";
import { openStore } from "../../data/store.ts";
import { runSchedule } from "../../train/config.ts";
import { TIMING_METRICS, type TrainEvent } from "../../train/events.ts";
import { runTraining } from "../../train/loop.ts";
import { sampleRatio } from "../../train/mask.ts";
import { runPaths } from "../../train/run_folder.ts";
import { RunLog } from "../../train/run_log.ts";
import { learningRate } from "../../train/schedule.ts";
import { decodePng } from "../support/decode_png.ts";
import { folderDigest } from "../support/folder_digest.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { fileExists, makeNoiseStore, runTiny, tinyConfig } from "./tiny_run.ts";

const config = tinyConfig({
  optimizer: { kind: "adamw", lr: 0.01 },
  schedule: { kind: "warmup-poly", warmupEpochs: 2 },
  epochs: 3,
});
const steps = 9;

async function hashOf(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** Every metric of a run but those of time, by name. */
function metricsOf(out: string): Record<string, number[]> {
  using log = RunLog.open(runPaths(out).log, { readOnly: true });
  const names = log.metricNames().filter((name) => !TIMING_METRICS.includes(name));
  return Object.fromEntries(names.map((name) => [name, log.metric(name).map((row) => row.value)]));
}

gpuTest(
  "runTraining() from start to summary; stopped, crashed and resumed runs end with the same bytes",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const whole = `${folder}/whole`;
      const paths = runPaths(whole);
      const { summary, events } = await runTiny(store, whole, config);
      const wanted = await hashOf(paths.final);

      // what the run left behind
      assert.deepEqual(JSON.parse(await Deno.readTextFile(paths.summary)), summary);
      assert.deepEqual([summary.state, summary.steps, summary.plannedSteps], ["finished", steps, steps]);
      assert.deepEqual(summary.data, { volumes: 3, trainSubjects: 2, valSubjects: 1, rejected: [] });
      assert.equal(summary.valLossToConstant, summary.valLoss! / summary.valLossConstant);
      assert.equal(summary.valLossToNearest, summary.valLoss! / summary.valLossNearest);
      assert.ok(summary.peakGpuBytes > 4 * summary.parameters && summary.skippedSteps === 0);
      const record = JSON.parse(await Deno.readTextFile(paths.record));
      assert.deepEqual(record.config, config);
      assert.deepEqual([record.format, record.seed, record.store], ["spark3d-run-1", config.seed, store]);
      assert.equal(record.adapter.adapter, summary.adapter);
      assert.equal(record.versions.deno, Deno.version.deno);
      const plan = await Deno.readTextFile(paths.plan);
      for (const phase of ["augment", "micro", "update", "evaluate"]) {
        assert.match(plan, new RegExp(`\n${phase}\n`));
      }
      assert.ok(!await fileExists(paths.latest) && await fileExists(paths.best));
      const pictures = await Array.fromAsync(Deno.readDir(paths.pictures), (entry) => entry.name);
      const names = ["step_00000003.png", "step_00000006.png", "step_00000009.png"];
      assert.deepEqual(pictures.sort(), names);
      const newest = await Deno.readFile(paths.picture);
      assert.deepEqual(newest, await Deno.readFile(paths.pictureAt(9)));
      const picture = decodePng(newest);
      assert.ok(picture.width > 48 && new Set(picture.data).size > 20);
      const { metadata } = await readSafetensors(paths.best);
      assert.equal(JSON.parse(metadata.bestValLoss), summary.bestValLoss);

      // what the run logged
      const metrics = metricsOf(whole);
      assert.ok(metrics.loss.length === steps && metrics.loss.every((loss) => loss > 0));
      const rates = [0, 0, 0, 1, 1, 1, 2, 2, 2].map((epoch) => learningRate(runSchedule(config), epoch, 3));
      assert.deepEqual(metrics.lr, rates);
      assert.equal(new Set(rates).size, 2, "the warm-up rises from epoch to epoch");
      const ratios = Array.from({ length: steps }, (_, step) =>
        sampleRatio(config.seed, step, config.mask.ratio));
      assert.deepEqual(metrics.maskRatio, ratios);
      assert.deepEqual(metrics.skipped, new Array(steps).fill(0));
      using wholeLog = RunLog.open(paths.log, { readOnly: true });
      const depths = wholeLog.metric("queueDepth"), waits = wholeLog.metric("dataWaitMs");
      assert.deepEqual(
        depths.map(({ step }) =>
          step
        ),
        Array.from({ length: steps }, (_, step) => step),
      );
      assert.ok(depths.every(({ value }) => value === 0), "nothing is read ahead on the calling thread");
      assert.ok(waits.length === steps && waits.every(({ value }) => value > 0));
      const epochMeans = [0, 3, 6].map((at) => metrics.loss.slice(at, at + 3).reduce((a, b) => a + b, 0) / 3);
      assertAllClose(metrics.trainLoss, epochMeans, { atol: 0, rtol: 1e-12 });
      assert.equal(summary.trainLoss, metrics.trainLoss.at(-1));
      const validations = events.filter((e) => e.type === "validation");
      assert.deepEqual(validations.map((e) => [e.step, e.epoch]), [[3, 1], [6, 2], [9, 3]]);
      assert.deepEqual(metrics.valLoss, validations.map((e) => e.valLoss));
      assert.equal(summary.bestValLoss, Math.min(...metrics.valLoss));
      for (const { valLossConstant, valLossNearest } of validations) {
        assert.deepEqual([valLossConstant, valLossNearest], [
          summary.valLossConstant,
          summary.valLossNearest,
        ]);
      }
      const types = events.map((e) => e.type);
      assert.deepEqual([types[0], types.at(-1)], ["started", "finished"]);
      assert.equal(types.filter((type) => type === "plan").length, 4);
      const kinds = events.flatMap((e) =>
        e.type === "checkpoint" && e.kind !== "best" ? [`${e.kind} ${e.step}`] : []
      );
      assert.deepEqual(kinds, ["latest 3", "latest 6", "final 9"]);

      // stopped in the first epoch, crashed in the second, resumed: nothing tells it from the run above
      const out = `${folder}/interrupted`;
      const interrupted = runPaths(out);
      const stopped = await runTiny(store, out, config, { stopAfter: 2, reason: "SIGTERM" });
      assert.deepEqual([stopped.summary.state, stopped.summary.steps], ["stopped", 2]);
      assert.equal(stopped.summary.valLoss, null);
      assert.deepEqual(stopped.events.at(-1), { type: "stopped", step: 2, reason: "SIGTERM" });
      assert.ok(await fileExists(interrupted.latest) && !await fileExists(interrupted.final));
      await Deno.writeTextFile(`${interrupted.checkpoints}/latest.safetensors.0123.tmp`, "half a file");
      const seen: TrainEvent[] = [];
      const crash = runTraining({
        config,
        store,
        out,
        resume: true,
        adapter: "auto",
        stopReason: () => null,
        emit: (event) => {
          seen.push(event);
          if (event.type === "validation" && event.epoch === 2) throw new Error("pulled the plug");
        },
      });
      await assert.rejects(crash, /pulled the plug/);
      assert.deepEqual(seen.at(-1), { type: "failed", step: 6, message: "pulled the plug" });
      assert.equal(seen.find((e) => e.type === "started")?.resumedFrom, interrupted.latest);
      assert.equal(metricsOf(out).loss.length, 6, "the crash left rows of steps after the checkpoint");
      const resumed = await runTiny(store, out, config, { resume: true });
      const started = resumed.events.find((e) => e.type === "started")!;
      assert.equal(started.step, 3, "goes on from the end of the first epoch");
      assert.equal(await hashOf(interrupted.final), wanted);
      assert.equal(await hashOf(interrupted.best), await hashOf(paths.best));
      assert.deepEqual(metricsOf(out), metrics);
      const { seconds: _, ...figures } = summary;
      const { seconds: __, ...resumedFigures } = resumed.summary;
      assert.deepEqual(resumedFigures, figures);
      assert.deepEqual(
        await Array.fromAsync(Deno.readDir(interrupted.checkpoints), (e) => e.name).then((n) => n.sort()),
        ["best.safetensors", "final.safetensors"],
      );
      using log = RunLog.open(interrupted.log, { readOnly: true });
      const history = log.events().map((e) => e.type).filter((t) =>
        ["stopped", "failed", "finished"].includes(t)
      );
      assert.deepEqual(history, ["stopped", "failed", "finished"]);

      // a finished run is left alone; one killed before its summary writes it; more epochs go on from its end
      const before = (await Deno.stat(paths.final)).mtime;
      const again = await runTiny(store, whole, config, { resume: true });
      assert.deepEqual([again.summary, again.events], [summary, []]);
      assert.deepEqual((await Deno.stat(paths.final)).mtime, before);
      await Deno.remove(paths.summary);
      const closed = await runTiny(store, whole, config, { resume: true });
      const learned = closed.events.filter((e) =>
        e.type === "validation" ||
        (e.type === "metrics" && !e.rows.every(({ name }) => TIMING_METRICS.includes(name)))
      );
      assert.deepEqual(learned, []);
      const { seconds: ___, ...closedFigures } = closed.summary;
      assert.deepEqual(closedFigures, figures);
      assert.equal(await hashOf(paths.final), wanted);
      const longer = await runTiny(store, whole, { ...config, epochs: 4 }, { resume: true });
      assert.equal(longer.events.find((e) => e.type === "started")?.step, steps);
      assert.deepEqual([longer.summary.state, longer.summary.steps], ["finished", 12]);
    }),
);

gpuTest(
  "runTraining() reads back once every metricsEvery steps and never between",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const long = { ...config, epochs: 1, stepsPerEpoch: 11, metricsEvery: 4, batch: { size: 2, micro: 1 } };
      const original = GPUBuffer.prototype.mapAsync;
      let calls = 0;
      GPUBuffer.prototype.mapAsync = function (...args: Parameters<GPUBuffer["mapAsync"]>) {
        calls++;
        return original.apply(this, args);
      };
      const before: number[] = [];
      try {
        await runTraining({
          config: long,
          store,
          out: `${folder}/run`,
          resume: false,
          adapter: "auto",
          emit: () => {},
          stopReason: () => {
            before.push(calls);
            return null;
          },
        });
      } finally {
        GPUBuffer.prototype.mapAsync = original;
      }
      assert.equal(before.length, 11);
      const perStep = before.slice(1).map((count, i) => count - before[i]);
      assert.deepEqual(perStep, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
      assert.ok(calls > before.at(-1)!, "validation and checkpoints read back after the last step");
    }),
);

gpuTest(
  "runTraining() ends a diverged run, and skips steps that would spoil the weights",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const wild = {
        ...config,
        optimizer: { ...tinyConfig().optimizer, lr: 1e30 },
        epochs: 1,
        stepsPerEpoch: 8,
      };
      const schedule = { kind: "constant" } as const;
      const events: TrainEvent[] = [];
      const run = runTiny(store, `${folder}/a`, { ...wild, schedule, nanLimit: 2, metricsEvery: 1 }, {
        events,
      });
      await assert.rejects(run, (error: Error) => {
        assert.equal(error.name, "DivergedError");
        const wanted =
          "Training diverged: found 3 losses that are not finite in one epoch, allowed 2 (nanLimit): " +
          "use a lower learning rate, and check the data with spark3d prepare";
        assert.equal(error.message, wanted);
        return true;
      });
      assert.equal(events.at(-1)?.type, "failed");
      assert.ok(events.filter((e) => e.type === "warning").length >= 2);
      const patient = await runTiny(store, `${folder}/b`, { ...wild, schedule, nanLimit: 20 });
      assert.equal(patient.summary.state, "finished");
      assert.ok(patient.summary.skippedSteps >= 6, `${patient.summary.skippedSteps} steps were skipped`);
      assert.equal(
        metricsOf(`${folder}/b`).skipped.filter((v) => v === 1).length,
        patient.summary.skippedSteps,
      );
      assert.equal(patient.summary.bestValLoss, null, "a loss that is no number is never the best one");
      const { tensors } = await readSafetensors(runPaths(`${folder}/b`).final);
      for (const [name, { data }] of tensors) {
        assert.ok((data as Float32Array).every((v) => !Number.isNaN(v)), `${name} holds NaN`);
      }
    }),
);

gpuTest(
  "runTraining() keeps a run folder to itself, and does not go on past the end",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder), out = `${folder}/run`;
      const short = { ...config, epochs: 2, stepsPerEpoch: 2 };
      const both = await Promise.allSettled([1, 2].map(() => runTiny(store, out, short)));
      const refused = both.flatMap((one) => one.status === "rejected" ? [String(one.reason)] : []);
      assert.equal(refused.length, 1);
      assert.match(refused[0], /Cannot train in .*run: found another process that trains there, wanted /);
      const files = await folderDigest(`${out}/checkpoints`);
      await assert.rejects(runTiny(store, out, { ...short, epochs: 1 }, { resume: true }), {
        name: "CheckpointError",
        message: /found 4 completed steps, wanted at most 2, 1 epochs of 2: use more epochs$/,
      });
      assert.deepEqual(await folderDigest(`${out}/checkpoints`), files);
    }),
);

gpuTest("runTraining() reports the images that preparation refused", () =>
  withFolder(async (folder) => {
    const store = await makeNoiseStore(folder);
    const index = JSON.parse(await Deno.readTextFile(`${store}/store.json`));
    const rejected = [{ id: "a", file: "a.nii", reason: "Cannot read a.nii: found nothing" }];
    await Deno.writeTextFile(`${store}/store.json`, JSON.stringify({ ...index, rejected }));
    using opened = openStore(store);
    const { summary } = await runTiny(store, `${folder}/run`, config, { stopAfter: 0, reason: "SIGINT" });
    assert.deepEqual(summary.data.rejected, rejected);
    assert.deepEqual([summary.steps, summary.data.volumes], [0, opened.volumes.length]);
  }));
