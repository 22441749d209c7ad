import assert from "node:assert/strict";
import { summaryText } from "../../cli/run_summary.ts";

Deno.test("summaryText() sets the validation error against the trivial predictors", () => {
  assert.equal(
    summaryText("runs/a", { valLoss: 0.5, valLossConstant: 1, valLossNearest: 0.625 }),
    [
      "run folder runs/a",
      "validation loss 0.5000 (mean over hidden voxels)",
      "  0.500 x that of the best constant (1.000)",
      "  0.800 x that of copying the nearest visible voxel (0.6250)",
      "details in runs/a/summary.json",
    ].join("\n"),
  );
});

Deno.test("summaryText() leaves out what a run did not get to", () => {
  assert.equal(summaryText("runs/a", { valLoss: null }), "run folder runs/a\ndetails in runs/a/summary.json");
});
