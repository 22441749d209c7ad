import assert from "node:assert/strict";
import { Output } from "../../cli/output.ts";
import { bytes, flop, showTrainEvents } from "../../cli/train_progress.ts";
import type { TrainEvent } from "../../train/events.ts";

Deno.test("showTrainEvents() logs what happened, one line each, without control characters off a terminal", () => {
  let text = "";
  const streams = {
    stdout: () => assert.fail("events do not belong on stdout"),
    stderr: (part: string) => void (text += part),
    terminal: false,
    width: () => 80,
  };
  const show = showTrainEvents(new Output(true, streams));
  const plan = {
    dispatches: 612,
    pipelines: 141,
    slots: 102,
    peakBytes: 3 * 2 ** 30,
    parameterBytes: 2 ** 20,
    flop: 2e12,
  };
  const validation = { valLoss: 0.5, valLossConstant: 1, valLossNearest: 0.6 };
  const events: TrainEvent[] = [
    {
      type: "started",
      step: 0,
      steps: 4,
      epochs: 2,
      seed: 7,
      adapter: "A",
      resumedFrom: null,
      peakFlopPerSecond: null,
    },
    { type: "plan", phase: "microStep", plan },
    {
      type: "metrics",
      step: 2,
      rows: [{ step: 0, name: "loss", value: 1 }, { step: 1, name: "loss", value: 0.75 }],
    },
    { type: "validation", step: 2, epoch: 0, ...validation },
    { type: "checkpoint", step: 2, kind: "latest", path: "a" },
    { type: "checkpoint", step: 2, kind: "best", path: "b" },
    { type: "warning", step: 3, message: "odd" },
    { type: "picture", step: 4, path: "p.png" },
    { type: "slices", step: 4, path: "s.safetensors" },
    { type: "stopped", step: 3, reason: "SIGINT" },
    { type: "finished", step: 4, seconds: 1 },
  ];
  events.forEach(show);
  assert.deepEqual(text.trimEnd().split("\n").map((line) => line.replace(/\d+ s\b.*?(?=,|$)/, "TIME")), [
    "training 4 steps in 2 epochs, seed 7, on A",
    "train: 0/4",
    "plan microStep: 612 dispatches, 141 pipelines, 102 slots, peak 3.00 GiB, parameters 1.0 MiB, 2.00 TFLOP",
    "epoch 0, step 2: validation loss 0.5000 (best constant 1.000, nearest visible voxel 0.6000)",
    "saved best checkpoint b",
    "warning: odd",
    "picture p.png",
    "stopped at step 3 of 4 (SIGINT)",
    "train: 4/4, TIME, loss 0.7500",
  ]);
});

Deno.test("bytes() and flop() choose their unit", () => {
  assert.deepEqual([bytes(2 ** 19), bytes(2 ** 31)], ["0.5 MiB", "2.00 GiB"]);
  assert.deepEqual([flop(5e8), flop(4.1e12)], ["0.50 GFLOP", "4.10 TFLOP"]);
});
