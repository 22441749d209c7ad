import assert from "node:assert/strict";
import { summaryText } from "../../cli/run_summary.ts";
import type { RunSummary } from "../../train/run_folder.ts";

const summary: RunSummary = {
  state: "finished",
  steps: 150,
  plannedSteps: 150,
  seconds: 301,
  valLoss: 0.5,
  valLossConstant: 1,
  valLossNearest: 0.625,
  valLossToConstant: 0.5,
  valLossToNearest: 0.8,
  bestValLoss: 0.5,
  trainLoss: 0.6,
  skippedSteps: 0,
  parameters: 1000,
  peakGpuBytes: 2 ** 20,
  adapter: "A",
  seed: 0,
  data: { volumes: 8, trainSubjects: 6, valSubjects: 2, rejected: [] },
};

Deno.test("summaryText() sets the validation error against the trivial predictors", () => {
  assert.deepEqual(summaryText("runs/a", summary).split("\n"), [
    "finished after 150 of 150 steps, 5 min 01 s",
    "validation loss 0.5000, mean over hidden voxels",
    "  0.500 x that of the best constant (1.000)",
    "  0.800 x that of copying the nearest visible voxel (0.6250)",
    "network runs/a/checkpoints/final.safetensors",
    "picture runs/a/reconstruction.png",
    "details runs/a/summary.json",
  ]);
});

Deno.test("summaryText() of a stopped run says how to go on", () => {
  assert.deepEqual(
    summaryText("runs/a", { ...summary, state: "stopped", steps: 20, valLoss: null }).split("\n"),
    [
      "stopped after 20 of 150 steps, 5 min 01 s",
      "go on with: spark3d pretrain --resume runs/a",
      "details runs/a/summary.json",
    ],
  );
});
