import assert from "node:assert/strict";
import type { RunConfig } from "../../train/config.ts";
import type { StopReason, TrainEvent } from "../../train/events.ts";
import { pretrain, PretrainError } from "../../train/pretrain.ts";
import { runPaths } from "../../train/run_folder.ts";
import { RunLog } from "../../train/run_log.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { fileExists, makeNoiseStore, runTiny, tinyConfig } from "./tiny_run.ts";

/** Patches are read on a thread of their own, as in real runs. */
const config: RunConfig = { ...tinyConfig(), loader: { workers: 1, prefetch: 2 } };

gpuTest(
  "pretrain() trains on a thread of its own and gives the same bytes as the calling thread",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const out = `${folder}/run`;
      const events: TrainEvent[] = [];
      const summary = await pretrain({ config, store, out, onEvent: (event) => void events.push(event) });
      assert.deepEqual([summary.state, summary.steps], ["finished", 6]);
      assert.deepEqual([events[0].type, events.at(-1)?.type], ["started", "finished"]);
      const picture = events.find((e) => e.type === "picture")!;
      assert.deepEqual(picture.png, await Deno.readFile(picture.path));
      await runTiny(store, `${folder}/here`, config);
      const [there, here] = [runPaths(out).final, runPaths(`${folder}/here`).final];
      assert.deepEqual(await Deno.readFile(there), await Deno.readFile(here));
    }),
);

gpuTest(
  "pretrain() saves and stops when its signal aborts, with the reason",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const stop = async (
        name: string,
        reason: unknown,
        when: "at once" | "after a step",
      ): Promise<TrainEvent> => {
        const controller = new AbortController();
        if (when === "at once") controller.abort(reason);
        const out = `${folder}/${name}`;
        let last: TrainEvent | null = null;
        const summary = await pretrain({
          config: { ...config, metricsEvery: 1, epochs: 50 },
          store,
          out,
          signal: controller.signal,
          onEvent: (event) => {
            if (event.type === "metrics") controller.abort(reason);
            last = event;
          },
        });
        assert.equal(summary.state, "stopped");
        assert.equal(summary.steps > 0, when === "after a step");
        assert.ok(await fileExists(runPaths(out).latest));
        return last!;
      };
      const reasons: [string, unknown, StopReason][] = [
        ["int", new Error("Stopped by SIGINT"), "SIGINT"],
        ["term", "SIGTERM", "SIGTERM"],
        ["other", undefined, "abort"],
      ];
      for (const [name, reason, wanted] of reasons) {
        const event = await stop(name, reason, name === "term" ? "at once" : "after a step");
        assert.deepEqual([event.type, event.type === "stopped" && event.reason], ["stopped", wanted]);
      }
    }),
);

gpuTest(
  "pretrain() rejects with name and message of what failed on the other thread",
  () =>
    withFolder(async (folder) => {
      const out = `${folder}/run`;
      await assert.rejects(pretrain({ config, store: `${folder}/none`, out }), (error) => {
        assert.ok(error instanceof PretrainError);
        assert.equal(error.name, "DataError");
        assert.match(error.message, /^Cannot read .*none\/store\.json: found no such file or folder/);
        return true;
      });
      const store = await makeNoiseStore(folder);
      const stopped = await runTiny(store, out, config, { stopAfter: 1 });
      assert.equal(stopped.summary.steps, 1);
      const other = { ...config, network: { ...config.network, features: [3, 4] } };
      await assert.rejects(pretrain({ config: other, store, out, resume: true }), {
        name: "CheckpointError",
        message: /^Cannot resume from .*latest\.safetensors: found .* wanted F32/,
      });
      const tooLarge = { ...config, patch: [4096, 4096, 4096] as RunConfig["patch"] };
      await assert.rejects(pretrain({ config: tooLarge, store, out: `${folder}/large` }), {
        name: "LimitError",
      });
    }),
);

gpuTest(
  "the calling thread stays responsive while steps run: timers come less than 50 ms late",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const heavy: RunConfig = {
        ...tinyConfig({
          network: { preset: "demo", features: [8, 16, 32], blocks: [1, 1, 1] },
          patch: [40, 40, 40],
        }),
        loader: { workers: 1, prefetch: 2 },
      };
      const everyMs = 10;
      const late: number[] = [];
      let last = 0;
      let timer: ReturnType<typeof setInterval> | undefined;
      let stepMs = 0;
      const started: number[] = [];
      await pretrain({
        config: { ...heavy, epochs: 1, stepsPerEpoch: 5, metricsEvery: 1 },
        store,
        out: `${folder}/run`,
        onEvent: (event) => {
          if (event.type === "started") {
            last = performance.now();
            timer = setInterval(() => {
              const now = performance.now();
              late.push(Math.max(0, now - last - everyMs));
              last = now;
            }, everyMs);
          }
          if (event.type === "metrics") started.push(performance.now());
        },
      }).finally(() => clearInterval(timer));
      stepMs = (started[4] - started[0]) / 4;
      late.sort((a, b) => a - b);
      const at = (share: number) =>
        late[Math.min(late.length - 1, Math.floor(share * late.length))].toFixed(1);
      console.log(
        `timer drift over ${late.length} ticks, steps of ${stepMs.toFixed(0)} ms: median ${at(0.5)} ms, ` +
          `95 % below ${at(0.95)} ms, 99 % below ${at(0.99)} ms, largest ${at(1)} ms`,
      );
      using log = RunLog.open(runPaths(`${folder}/run`).log, { readOnly: true });
      const [depths, waits] = ["queueDepth", "dataWaitMs"].map((name) =>
        log.metric(name, 0).map(({ value }) => value)
      );
      console.log(`patches ready: ${depths}, waited ${waits.map((ms) => ms.toFixed(2))} ms`);
      assert.ok(depths.every((depth) => depth >= 1), "every step after the first finds its patch read ahead");
      assert.ok(Math.max(...waits) < 0.25 * stepMs, "and does not wait for them");
      assert.ok(stepMs > 100, `steps of ${stepMs} ms are too short to show anything`);
      assert.ok(Number(at(0.95)) < 50, "95 % of the ticks come less than 50 ms late");
    }),
);
