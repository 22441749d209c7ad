import assert from "node:assert/strict";
import { Output } from "../../cli/output.ts";
import { runSeveral } from "../../cli/run_several.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("runSeveral() starts items in order, never more than asked for at once", async () => {
  const { signal } = new AbortController();
  for (const jobs of [1, 2, 3, 9]) {
    const started: number[] = [];
    let running = 0, most = 0;
    await runSeveral([10, 11, 12, 13, 14], { jobs, signal }, async (item, index) => {
      assert.equal(item, 10 + index);
      started.push(index);
      most = Math.max(most, ++running);
      await pause(index % 2 === 0 ? 4 : 1);
      running--;
    });
    assert.deepEqual(started, [0, 1, 2, 3, 4]);
    assert.equal(most, Math.min(jobs, 5));
  }
});

Deno.test("runSeveral() waits for the others when one fails, starts no more and throws the first error", async () => {
  const { signal } = new AbortController();
  const ended: string[] = [];
  const run = runSeveral(["fails", "is told", "never starts"], { jobs: 2, signal }, async (item, _, told) => {
    await pause(item === "fails" ? 2 : 6);
    ended.push(item);
    if (item === "fails") throw new Error("no room");
    told.throwIfAborted();
  });
  await assert.rejects(run, /no room/);
  assert.deepEqual(ended, ["fails", "is told"]);
});

Deno.test("runSeveral() throws the reason of its signal", async () => {
  const stop = new AbortController();
  const run = runSeveral([1, 2, 3], { jobs: 1, signal: stop.signal }, (item) => {
    if (item === 2) stop.abort(new Error("stopped by hand"));
    return Promise.resolve();
  });
  await assert.rejects(run, /stopped by hand/);
});

Deno.test("Output.beside() names the work in every line and draws no bar", () => {
  const lines: string[] = [];
  const output = new Output(false, {
    stdout: () => {},
    stderr: (text) => lines.push(text),
    terminal: true,
    width: () => 80,
  });
  const own = output.beside("run 2");
  own.log("started");
  own.progress("train", 4).update(4, "loss 1");
  assert.ok(lines.length >= 2);
  assert.ok(lines.every((line) => line.startsWith("run 2: ") && line.endsWith("\n")), lines.join("|"));
});
