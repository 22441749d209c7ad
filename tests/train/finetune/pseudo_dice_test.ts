import assert from "node:assert/strict";
import { averageDice, pseudoDice } from "../../../train/finetune/pseudo_dice.ts";

Deno.test("pseudoDice() leaves out the background of labels, and classes that occur nowhere", () => {
  const counts = [900, 5, 5, 30, 10, 20, 0, 0, 0, 0, 4, 0];
  const { classes, mean } = pseudoDice(counts, 1);
  assert.deepEqual(classes, [60 / 90, NaN, 0]);
  assert.equal(mean, (60 / 90 + 0) / 2);
  assert.equal(pseudoDice(counts, 0).classes.length, 4);
  assert.ok(Number.isNaN(pseudoDice([7, 0, 0, 0, 0, 0], 1).mean));
});

Deno.test("averageDice() starts with the first mean and ignores epochs without one", () => {
  assert.equal(averageDice(null, NaN), null);
  assert.equal(averageDice(null, 0.5), 0.5);
  assert.equal(averageDice(0.5, 1), 0.9 * 0.5 + 0.1);
  assert.equal(averageDice(0.5, NaN), 0.5);
});
