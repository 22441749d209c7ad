import assert from "node:assert/strict";
import { ControlFolder } from "../../train/control.ts";
import type { TrainEvent } from "../../train/events.ts";
import { runTraining } from "../../train/loop.ts";
import { runPaths } from "../../train/run_folder.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { fileExists, makeNoiseStore, runTiny, tinyConfig } from "./tiny_run.ts";

/** Waits on this thread until a run looks for requests again. */
function waitForLook(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1050);
}

const request = (out: string, action: string) =>
  Deno.writeTextFileSync(`${runPaths(out).control}/${action}.json`, JSON.stringify({ time: Date.now() }));

Deno.test("ControlFolder returns a request once, at most once a second, and goes with its run", () =>
  withFolder(async (folder) => {
    const path = `${folder}/control`;
    assert.equal(await ControlFolder.open(path, false), null);
    {
      await using control = (await ControlFolder.open(path, true))!;
      await Deno.writeTextFile(`${path}/stop.json`, "{}");
      await Deno.writeTextFile(`${path}/launch.json`, "{}");
      assert.deepEqual([...await control.take()], [], "looked too early");
      waitForLook();
      assert.deepEqual([...await control.take()], ["stop"]);
      await Deno.mkdir(`${path}/checkpoint.json/x`, { recursive: true });
      waitForLook();
      assert.deepEqual([...await control.take()], [], "what cannot be removed is no request");
    }
    assert.ok(!await fileExists(path));
    await Deno.mkdir(path);
    await Deno.writeTextFile(`${path}/stop.json`, "{}");
    const again = await ControlFolder.open(path, true);
    waitForLook();
    assert.deepEqual([...await again!.take()], [], "a request to an earlier start");
    assert.equal(await ControlFolder.open(path, false), null);
    assert.ok(!await fileExists(path), "a start without control leaves no folder");
    await Deno.writeTextFile(path, "in the way");
    assert.ok(await ControlFolder.open(path, true), "a file in the way is removed");
    assert.equal(
      await ControlFolder.open("/dev/null/control", true),
      null,
      "no folder, no control, no error",
    );
  }));

gpuTest(
  "runTraining() saves and stops when control/ asks for it, and goes on to the same bytes",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const config = tinyConfig({ stepsPerEpoch: 4, metricsEvery: 3 });
      const whole = `${folder}/whole`, out = `${folder}/asked`;
      await runTiny(store, whole, config);
      assert.ok(!await fileExists(runPaths(whole).control), "a run that takes no requests has no folder");

      const events: TrainEvent[] = [];
      let step = 0;
      const summary = await runTraining({
        config,
        store,
        out,
        resume: false,
        adapter: "auto",
        emit: (event) => void events.push(event),
        allowControl: true,
        stopReason: () => {
          step++;
          if (step === 3) request(out, "checkpoint");
          if (step === 6) request(out, "stop");
          if (step === 3 || step === 6) waitForLook();
          return null;
        },
      });
      assert.deepEqual([summary.state, summary.steps], ["stopped", 5]);
      assert.deepEqual(events.at(-1), { type: "stopped", step: 5, reason: "request" });
      const saved = events.flatMap((e) => e.type === "checkpoint" && e.kind === "latest" ? [e.step] : []);
      assert.deepEqual(saved, [2, 4, 5], "asked for, end of the epoch, at the stop");
      const paths = runPaths(out);
      assert.ok(await fileExists(paths.latest) && !await fileExists(paths.control));

      // a request that nobody was there to take does not stop the next start; without control it takes none at all
      await Deno.mkdir(paths.control);
      request(out, "stop");
      const resumed = await runTiny(store, out, config, { resume: true });
      assert.equal(resumed.summary.state, "finished");
      assert.equal(resumed.events.find((e) => e.type === "started")?.step, 5);
      for (const kind of ["final", "best"] as const) {
        assert.deepEqual(await Deno.readFile(paths[kind]), await Deno.readFile(runPaths(whole)[kind]), kind);
      }
    }),
);
