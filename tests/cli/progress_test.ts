import assert from "node:assert/strict";
import { duration, Progress, type ProgressSink } from "../../cli/progress.ts";

/** A sink that records what is written, with a clock that the test moves. */
function recorder(terminal: boolean, width = 80) {
  const state = { text: "", ms: 0 };
  const sink: ProgressSink = {
    write: (text) => void (state.text += text),
    terminal,
    width: () => width,
    now: () => state.ms,
  };
  return { state, sink };
}

Deno.test("Progress writes plain lines at intervals where there is no terminal", () => {
  const { state, sink } = recorder(false);
  const bar = new Progress("train", 1000, sink);
  for (let step = 1; step <= 1000; step++) {
    state.ms += 20; // 20 s in all
    bar.update(step, `loss ${(1 / step).toFixed(3)}`);
  }
  bar.end();
  const lines = state.text.trimEnd().split("\n");
  assert.ok(lines.length >= 10 && lines.length <= 12, `found ${lines.length} lines`);
  assert.ok(!state.text.includes("\r") && !state.text.includes("\x1b"), "no cursor control in plain output");
  assert.equal(lines[0], "train: 1/1000, 20 s left, loss 1.000");
  assert.equal(lines.at(-1), "train: 1000/1000, 20 s, loss 0.001");
});

Deno.test("Progress writes a line every ten seconds however slow the work is", () => {
  const { state, sink } = recorder(false);
  const bar = new Progress("prepare", 1000, sink);
  for (let step = 1; step <= 6; step++) {
    state.ms += 5000;
    bar.update(step);
  }
  assert.equal(state.text.trimEnd().split("\n").length, 3);
});

Deno.test("Progress redraws one line on a terminal, no wider than it, ten times a second at most", () => {
  const { state, sink } = recorder(true, 40);
  const bar = new Progress("train", 1000, sink);
  for (let step = 1; step <= 1000; step++) {
    state.ms += 1;
    bar.update(step, "loss 0.5");
  }
  assert.ok(!state.text.includes("\n"), "one line");
  const frames = state.text.split("\r\x1b[2K").slice(1);
  assert.ok(frames.length >= 10 && frames.length <= 11, `found ${frames.length} frames`);
  for (const frame of frames) assert.ok(frame.length < 40, frame);
  bar.clear();
  assert.ok(state.text.endsWith("\r\x1b[2K"));
});

Deno.test("Progress of work that goes on counts time for its own part only", () => {
  const { state, sink } = recorder(false);
  const bar = new Progress("train", 100, sink);
  bar.update(80);
  state.ms += 12_000;
  bar.update(90);
  assert.equal(state.text, "train: 80/100\ntrain: 90/100, 12 s left\n");
});

Deno.test("duration() uses the two largest units", () => {
  assert.deepEqual([8.4, 65, 3600, 7 * 3600 + 125].map(duration), [
    "8 s",
    "1 min 05 s",
    "1 h 00 min",
    "7 h 02 min",
  ]);
});
