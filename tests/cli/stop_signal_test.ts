import assert from "node:assert/strict";
import { repositoryRoot, spawn, temporaryFolder } from "../support/spawn.ts";

/** A job that works until it is told to stop, then takes `cleanUpMs` to finish. It leaves a file for each state. */
const job = (folder: string, cleanUpMs: number) => `
  import { stopSignal } from "${repositoryRoot}/cli/stop_signal.ts";
  const mark = (name) => Deno.writeTextFileSync("${folder}/" + name, "");
  using signal = stopSignal((name) => { console.log("asked", name); mark("asked"); });
  console.log("ready");
  mark("ready");
  const timer = setInterval(() => {}, 50);
  await new Promise((done) => signal.addEventListener("abort", done));
  await new Promise((done) => setTimeout(done, ${cleanUpMs}));
  clearInterval(timer);
  console.log("saved", signal.reason.name, signal.reason.signal);
  Deno.exit(signal.reason.exitCode);`;

/** Sends the signals one after the other, each when the job has reached the state before it. */
async function runJob(cleanUpMs: number, signals: readonly Deno.Signal[]) {
  using folder = temporaryFolder();
  const script = `${folder.path}/job.ts`;
  await Deno.writeTextFile(script, job(folder.path, cleanUpMs));
  const reached = async (state: string) => {
    const file = `${folder.path}/${state}`;
    while (!await Deno.stat(file).then(() => true, () => false)) {
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  return await spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", "--no-check", script], {
    onStart: async (child) => {
      for (const [index, signal] of signals.entries()) {
        await reached(index === 0 ? "ready" : "asked");
        child.kill(signal);
      }
    },
  });
}

Deno.test({
  name: "SIGINT and SIGTERM ask the job to stop and give their exit codes",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      const result = await runJob(0, [signal]);
      assert.deepEqual([result.code, result.stdout], [
        code,
        `ready\nasked ${signal}\nsaved StoppedError ${signal}\n`,
      ]);
    }
  },
});

Deno.test({
  name: "a second signal ends the process at once",
  ignore: Deno.build.os === "windows",
  async fn() {
    const result = await runJob(20_000, ["SIGINT", "SIGINT"]);
    assert.deepEqual([result.code, result.stdout], [130, "ready\nasked SIGINT\n"]);
    assert.ok(result.seconds < 10);
  },
});
