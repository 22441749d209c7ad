import assert from "node:assert/strict";
import { decodeSafetensors } from "../../data/safetensors.ts";
import { saveAdapterPeak } from "../../train/adapter_peak.ts";
import type { TrainEvent } from "../../train/events.ts";
import { runTraining } from "../../train/loop.ts";
import { runPaths } from "../../train/run_folder.ts";
import { RunLog } from "../../train/run_log.ts";
import type { SliceReference } from "../../train/slice_format.ts";
import { PretrainSession } from "../../train/session.ts";
import { Validation } from "../../train/validation.ts";
import { loadCheckpoint } from "../../train/checkpoint.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { makeNoiseStore, runTiny, tinyConfig } from "./tiny_run.ts";

const config = tinyConfig({ validation: { patches: 5, slices: 4 }, batch: { size: 4, micro: 2 } });

const filesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name)).sort();

gpuTest(
  "runTraining() keeps slices of the fixed patches; interrupted and resumed, the same files",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const whole = `${folder}/whole`, paths = runPaths(whole);
      const { events } = await runTiny(store, whole, config);
      const told = events.filter((e) => e.type === "slices");
      assert.deepEqual(told, [3, 6].map((step) => ({ type: "slices", step, path: paths.slicesAt(step) })));
      const names = ["reference.safetensors", "step_00000003.safetensors", "step_00000006.safetensors"];
      assert.deepEqual(await filesIn(paths.slices), names);

      // they hold the planes of what the validation saw and the trained network makes of it
      using validation = new Validation(store, config);
      using session = await PretrainSession.create(config, "auto");
      await loadCheckpoint(paths.final, session);
      const shown = validation.ranked.slice(0, 4);
      const open = async (path: string) => decodeSafetensors(await Deno.readFile(path));
      const reference = await open(paths.sliceReference), last = await open(paths.slicesAt(6));
      const { index, patches }: SliceReference = JSON.parse(reference.metadata.reference);
      assert.deepEqual([index, patches.length], [[8, 8, 8], 4]);
      let compared = 0;
      await validation.measure(session, shown, (patch, reconstruction) => {
        const { original, visible, ...facts } = validation.patch(patch);
        const place = shown.indexOf(patch);
        assert.deepEqual(patches[place], facts);
        for (
          const [name, file, volume] of [
            ["original", reference, original],
            ["visible", reference, visible],
            ["reconstruction", last, reconstruction],
          ] as const
        ) {
          const { data, shape } = file.tensors.get(`${name}.1`)!;
          assert.deepEqual(shape, [4, 16, 16]);
          const wanted = Array.from({ length: 256 }, (_, i) => volume[(i >> 4) * 256 + 8 * 16 + i % 16]);
          const found = Array.from(data as Float16Array).slice(place * 256, place * 256 + 256);
          assert.deepEqual(found, Array.from(Float16Array.from(wanted)), `${name} of patch ${patch}`);
          compared++;
        }
      });
      assert.equal(compared, 12);

      // crashed after the second validation, which the checkpoint does not know of
      const out = `${folder}/interrupted`, interrupted = runPaths(out);
      const crash = runTraining({
        config,
        store,
        out,
        resume: false,
        adapter: "auto",
        stopReason: () => null,
        emit: (event) => {
          if (event.type === "slices" && event.step === 6) throw new Error("pulled the plug");
        },
      });
      await assert.rejects(crash, /pulled the plug/);
      assert.deepEqual(await filesIn(interrupted.slices), names);
      await Deno.writeTextFile(`${interrupted.slices}/step_00000006.safetensors.0123.tmp`, "half a file");
      const stopped = await runTiny(store, out, config, { resume: true, stopAfter: 1 });
      assert.equal(stopped.summary.steps, 4);
      for (const made of [interrupted.slices, interrupted.pictures]) {
        assert.ok(
          !(await filesIn(made)).some((name) => name.includes("00000006")),
          "files of later steps are gone",
        );
      }
      {
        using log = RunLog.open(interrupted.log, { readOnly: true });
        const steps = log.events().filter((e) => e.type === "slices").map((e) => e.event.step);
        assert.deepEqual(steps, [3]);
      }
      await runTiny(store, out, config, { resume: true });
      assert.deepEqual(await filesIn(interrupted.slices), names);
      for (const name of names) {
        const [a, b] = [interrupted, paths].map(({ slices }) => Deno.readFileSync(`${slices}/${name}`));
        assert.deepEqual(a, b, name);
      }

      const none = tinyConfig({ validation: { patches: 2, slices: 0 }, epochs: 1 });
      const without = await runTiny(store, `${folder}/none`, none);
      assert.ok(
        without.events.some((e) => e.type === "picture") && !without.events.some((e) => e.type === "slices"),
      );
      assert.ok(!(await filesIn(`${folder}/none`)).includes("slices"));
    }),
);

gpuTest(
  "runTraining() tells how fast it is: steps, voxels, arithmetic, validation, checkpoints",
  () =>
    withFolder(async (folder) => {
      const before = Deno.env.get("XDG_CACHE_HOME");
      const store = await makeNoiseStore(folder);
      const out = `${folder}/run`;
      const events: TrainEvent[] = [];
      try {
        Deno.env.set("XDG_CACHE_HOME", `${folder}/cache`);
        const started = async (name: string) => {
          const { events } = await runTiny(store, `${folder}/${name}`, config, { stopAfter: 0 });
          const event = events.find((e) => e.type === "started")!;
          return event;
        };
        const { adapter, peakFlopPerSecond } = await started("a");
        assert.equal(peakFlopPerSecond, null, "nobody measured it");
        await saveAdapterPeak(adapter, { flopPerSecond: 4e10, bytesPerSecond: 1e9, time: 0 });
        assert.equal((await started("b")).peakFlopPerSecond, 4e10);
      } finally {
        if (before === undefined) Deno.env.delete("XDG_CACHE_HOME");
        else Deno.env.set("XDG_CACHE_HOME", before);
      }
      const began = performance.now();
      const slow = {
        ...config,
        checkpointEveryEpochs: 2,
        validation: { ...config.validation, everyEpochs: 2 },
      };
      await runTiny(store, out, slow, { events });
      const wallMs = performance.now() - began;
      using log = RunLog.open(runPaths(out).log, { readOnly: true });
      const rows = (name: string) => log.metric(name);
      const steps = [1, 2, 4, 5]; // read back every two steps and at the end of an epoch of three
      for (const name of ["stepMs", "voxelsPerSecond", "flopPerSecond", "seconds"]) {
        assert.deepEqual(rows(name).map(({ step }) => step), steps, name);
      }
      const plans = events.filter((e) => e.type === "plan");
      const flop = (phase: string) => plans.find((e) => e.phase === phase)!.plan.flop;
      const wanted = 2 * (flop("augment") + flop("micro")) + flop("update");
      rows("stepMs").forEach(({ value: stepMs }, i) => {
        assert.ok(stepMs > 0);
        const rate = (perStep: number) => perStep / stepMs * 1000;
        assert.equal(rows("voxelsPerSecond")[i].value, rate(4 * 16 ** 3));
        assert.equal(rows("flopPerSecond")[i].value, rate(wanted));
      });
      assert.deepEqual(rows("validationMs").map(({ step }) => step), [5], "after the second epoch only");
      assert.deepEqual(
        rows("checkpointMs").map(({ step }) => step),
        [5],
        "best and final of one step are one row",
      );
      const parts = [2, 1, 2, 1].reduce((sum, n, i) => sum + n * rows("stepMs")[i].value, 0) +
        rows("validationMs")[0].value + rows("checkpointMs")[0].value;
      assert.ok(parts < wallMs, `${parts} of ${wallMs} ms`);
      const measured = rows("dataWaitMs").reduce((sum, { value }) => sum + value, 0);
      assert.ok(measured < parts, "waiting for data is part of a step");
    }),
);
