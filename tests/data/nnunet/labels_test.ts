import assert from "node:assert/strict";
import { parseLabels } from "../../../data/nnunet/labels.ts";

Deno.test("parseLabels() gives plain labels one output a value, by value", () => {
  const labels = { background: 0, edema: 2, core: [1], ignore: 3 };
  assert.deepEqual(parseLabels({ labels }), {
    kind: "labels",
    foreground: [{ name: "core", values: [1] }, { name: "edema", values: [2] }],
    outputs: 3,
    declared: 4,
    ignore: 3,
    regionsClassOrder: null,
  });
});

Deno.test("parseLabels() gives regions one output each, in the order of the file", () => {
  const labels = { background: 0, whole: [1, 2, 3], core: [2, 3], enhancing: 3 };
  assert.deepEqual(parseLabels({ labels, regions_class_order: [1, 2, 3] }), {
    kind: "regions",
    foreground: [
      { name: "whole", values: [1, 2, 3] },
      { name: "core", values: [2, 3] },
      { name: "enhancing", values: [3] },
    ],
    outputs: 3,
    declared: 4,
    ignore: null,
    regionsClassOrder: [1, 2, 3],
  });
});

Deno.test("parseLabels() names what is wrong in one line", () => {
  const regions = { background: 0, whole: [1, 2], core: 2 };
  const wrong: [unknown, RegExp][] = [
    [null, /found no object "labels"/],
    [{ labels: { "0": "background", "1": "tumor" } }, /label names as values, the form of nnU-Net v1/],
    [{ labels: { background: 0, a: 1, b: 3 } }, /found label values 0, 1, 3, wanted consecutive values 0/],
    [{ labels: { a: 1, b: 2 } }, /found label values 1, 2, wanted consecutive/],
    [{ labels: { background: 0 } }, /found label values 0, wanted consecutive/],
    [{ labels: { background: 0, a: 1.5 } }, /label "a" with value 1\.5, wanted a whole number/],
    [{ labels: { background: 0, a: [] } }, /label "a" with value \[\]/],
    [{ labels: { background: 0, a: 1, b: 1 } }, /labels a and b with the same value 1/],
    [{ labels: { background: 0, ignore: 1, a: 2 } }, /label values 0, 2/],
    [{ labels: { background: 0, a: 1, ignore: 4 } }, /found ignore label 4, wanted the highest value, 2/],
    [{ labels: regions }, /found regions_class_order missing, wanted 2 of the label values/],
    [{ labels: regions, regions_class_order: [1] }, /regions_class_order \[1\], wanted 2/],
    [{ labels: regions, regions_class_order: [1, 7] }, /regions_class_order \[1,7\]/],
    [{ labels: { background: 0, "1": [1, 2], b: 2 } }, /a region named 1/],
    [{ labels: { background: 0, all: [0, 1, 2] } }, /background in region all/],
  ];
  for (const [description, message] of wrong) {
    assert.throws(() => parseLabels(description), (error: Error) => {
      assert.match(error.message, message);
      assert.match(error.message, /^Cannot read dataset\.json: .*: \S/);
      return !error.message.includes("\n");
    });
  }
});
