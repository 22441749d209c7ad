import assert from "node:assert/strict";
import type { Dims3 } from "../../data/volume.ts";
import { caseMetrics, classKey, labelValues } from "../../evaluate/mod.ts";
import { foregroundMean, meanOverCases } from "../../evaluate/summarize.ts";

const SHAPE: Dims3 = [12, 12, 14];

/** A map that is `label` in a box, on top of another one. */
function paint(
  label: number,
  start: Dims3,
  size: Dims3,
  on: Uint8Array = new Uint8Array(12 * 12 * 14),
): Uint8Array {
  const map = on.slice();
  for (let z = start[0]; z < start[0] + size[0]; z++) {
    for (let y = start[1]; y < start[1] + size[1]; y++) {
      map.fill(label, (z * 12 + y) * 14 + start[2], (z * 12 + y) * 14 + start[2] + size[2]);
    }
  }
  return map;
}

const classes = [{ name: "one", values: [1] }, { name: "two", values: [2] }, {
  name: "both",
  values: [1, 2],
}];

function evaluate(
  reference: Uint8Array | Uint16Array,
  prediction: Uint8Array | Uint16Array,
  change: Partial<Parameters<typeof caseMetrics>[2]> = {},
) {
  return caseMetrics({ data: reference, shape: SHAPE }, { data: prediction, shape: SHAPE }, {
    classes,
    ignore: null,
    spacing: [1, 1, 1],
    tolerances: (change.classes ?? classes).map(() => 1),
    surface: true,
    ...change,
  });
}

Deno.test("a cube of ten voxels shifted by one has Dice 0.9, volumes in mm^3 and NSD by its own tolerance", () => {
  const reference = paint(1, [1, 1, 1], [10, 10, 10]), prediction = paint(1, [1, 1, 2], [10, 10, 10]);
  const spacing: Dims3 = [1, 1, 2];
  const tight = evaluate(reference, prediction, { spacing, tolerances: [1, 1, 2] });
  assert.equal(tight["1"].Dice, 0.9);
  assert.equal(tight["1"].IoU, 900 / 1100);
  assert.equal(tight["1"].volume_ref, 2000);
  assert.equal(tight["(1, 2)"].NSD, 1);
  assert.ok(tight["1"].NSD < 1);
  assert.equal(tight["1"].HD95, 2);
});

Deno.test("a class in neither map is undefined, in one map it scores 0 with infinite distances", () => {
  const metrics = evaluate(paint(1, [1, 1, 1], [4, 4, 4]), new Uint8Array(12 * 12 * 14));
  const { Dice, IoU, NSD, HD95, ASSD } = metrics["1"];
  assert.deepEqual({ Dice, IoU, NSD, HD95, ASSD }, {
    Dice: 0,
    IoU: 0,
    NSD: 0,
    HD95: Infinity,
    ASSD: Infinity,
  });
  const none = metrics["2"];
  assert.ok([none.Dice, none.IoU, none.NSD, none.HD95, none.ASSD].every(Number.isNaN));
  const { Dice: same, NSD: sameSurface } =
    evaluate(paint(2, [0, 0, 0], SHAPE), paint(2, [0, 0, 0], SHAPE))["2"];
  assert.deepEqual([same, sameSurface], [1, 1]);
});

Deno.test("ignored voxels count nowhere, and surfaces are those of the masks without them", () => {
  const reference = paint(5, [1, 1, 5], [6, 6, 9], paint(1, [1, 1, 1], [6, 6, 6]));
  const prediction = paint(1, [1, 1, 1], [6, 6, 10]);
  const found = evaluate(reference, prediction, { ignore: 5 })["1"];
  assert.equal(found.FP, 0);
  assert.equal(found.TP + found.FP + found.FN + found.TN, 12 * 12 * 14 - 6 * 6 * 9);
  assert.deepEqual([found.Dice, found.NSD, found.HD95], [1, 1, 0]);
  const counted = evaluate(reference, prediction, { classes: [{ name: "one", values: [1] }] })["1"];
  assert.equal(counted.FP, 6 * 6 * 6);
  assert.ok(counted.NSD < 1);
});

Deno.test("regions join their labels and many labels need 16 bits", () => {
  const reference = paint(2, [1, 1, 1], [4, 4, 4]), prediction = paint(1, [1, 1, 1], [4, 4, 4]);
  const found = evaluate(reference, prediction);
  assert.deepEqual([found["1"].Dice, found["2"].Dice, found["(1, 2)"].Dice, found["(1, 2)"].NSD], [
    0,
    0,
    1,
    1,
  ]);
  const many = Array.from({ length: 400 }, (_, i) => ({ name: `${i + 1}`, values: [i + 1] }));
  const wide = Uint16Array.from({ length: 12 * 12 * 14 }, (_, i) => i % 401);
  const all = evaluate(wide, wide, { classes: many, surface: false });
  assert.equal(Object.keys(all).length, 400);
  assert.ok(many.every(({ values }) => all[classKey(values)].Dice === 1 && all[classKey(values)].TP >= 5));
});

Deno.test("labelValues() names values that are undeclared, negative, fractions or no numbers", () => {
  const known = new Set([0, 1, 2, 7]);
  assert.deepEqual([...labelValues(Float32Array.of(0, 1, 7), "a", known)], [0, 1, 7]);
  assert.ok(labelValues(Float32Array.of(300), "a", new Set([300])) instanceof Uint16Array);
  const refused: [number[], RegExp][] = [
    [[0, 3, 3, 9], /found undeclared label values 3, 9 in 3 voxels, wanted values among 0-2, 7/],
    [[-1], /label value -1 in 1 voxels/],
    [[1.5], /label value 1.5/],
    [[NaN], /label value NaN/],
    [[70000], /label value 70000/],
    [[Infinity], /label value Infinity/],
  ];
  for (const [values, message] of refused) {
    assert.throws(() => labelValues(Float32Array.from(values), "a.nii.gz", known), message);
  }
});

Deno.test("means leave undefined values out, count infinite distances, and skip a class that is nowhere", () => {
  const hit = evaluate(paint(1, [1, 1, 1], [4, 4, 4]), paint(1, [1, 1, 1], [4, 4, 4]));
  const missed = evaluate(paint(1, [1, 1, 1], [4, 4, 4]), new Uint8Array(12 * 12 * 14));
  const absent = evaluate(new Uint8Array(12 * 12 * 14), new Uint8Array(12 * 12 * 14));
  const one = meanOverCases([hit, missed, absent].map((metrics) => metrics["1"]));
  assert.deepEqual(
    [one.Dice, one.HD95, one.n_infinite, one.n_cases, one.TP, one.n_ref],
    [0.5, 0, 1, 2, 64 / 3, 128 / 3],
  );
  const nowhere = meanOverCases([hit, missed, absent].map((metrics) => metrics["2"]));
  assert.ok(Number.isNaN(nowhere.Dice));
  assert.equal(foregroundMean([one, nowhere]).Dice, 0.5);
});
