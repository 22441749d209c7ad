import assert from "node:assert/strict";
import { medianSpacing } from "../../data/fingerprint.ts";
import { PythonRandom } from "../../data/mersenne_twister.ts";
import { inversePermutation, planDataset, transposeForward } from "../../data/plan.ts";
import { reuseSplit, splitSubjects, validationCount } from "../../data/split.ts";

const ids = (count: number) => Array.from({ length: count }, (_, i) => `s${String(i).padStart(3, "0")}`);

Deno.test("PythonRandom draws what CPython's random.Random draws", () => {
  // The vector of spec data.md section 7, then values printed by CPython 3.11.
  assert.deepEqual(new PythonRandom(12345).sample(ids(20), 5), ["s013", "s000", "s009", "s011", "s006"]);
  const range = Array.from({ length: 3000 }, (_, i) => i);
  assert.deepEqual(new PythonRandom(12345).sample(range, 8), [1706, 41, 1223, 1509, 793, 1106, 2318, 1786]);
  assert.deepEqual(new PythonRandom(5_000_000_000).sample(range, 4), [354, 2485, 61, 1966]);
  assert.deepEqual(new PythonRandom(0).sample(range, 6), [1577, 1722, 165, 1060, 2094, 1990]);
  assert.deepEqual(new PythonRandom(1).sample(["a"], 1), ["a"]);
  assert.throws(() => new PythonRandom(1).sample(["a"], 2), RangeError);
  assert.throws(() => new PythonRandom(-1), RangeError);
});

Deno.test("splitSubjects() draws as the reference from 20 subjects on, and keeps a quarter at most below", () => {
  const split = splitSubjects([...ids(20)].reverse().concat(ids(20)));
  assert.deepEqual(split.val, ["s000", "s006", "s009", "s011", "s013"]);
  assert.equal(split.train.length, 15);
  assert.deepEqual([1, 2, 3, 4, 8, 19, 20, 600, 2500, 2e5].map(validationCount), [
    1,
    1,
    1,
    1,
    2,
    4,
    5,
    6,
    25,
    1000,
  ]);
  for (const count of [2, 3, 7, 50]) {
    const { train, val } = splitSubjects(ids(count));
    assert.deepEqual([...train, ...val].sort(), ids(count));
    assert.ok(train.length > 0 && val.length > 0);
  }
  assert.deepEqual(splitSubjects(["only"]), { train: ["only"], val: ["only"] });
  assert.throws(() => splitSubjects([]), RangeError);
});

Deno.test("reuseSplit() lets nobody change sides, and asks for a new split when a side is empty", () => {
  const stored = { train: ["a", "b"], val: ["c"] };
  assert.deepEqual(reuseSplit(stored, ["a", "b", "c"]), stored);
  assert.deepEqual(reuseSplit(stored, ["d", "c", "a"]), { train: ["a", "d"], val: ["c"] });
  assert.equal(reuseSplit(stored, ["a", "b"]), null);
  assert.equal(reuseSplit(stored, ["c"])?.train[0], "c");
  assert.equal(reuseSplit({ train: ["a"], val: ["a"] }, ["a", "b"]), null);
});

Deno.test("planDataset() plans three configurations from the median spacing", () => {
  const fingerprint = { spacings: [[1, 1, 1], [2, 1, 3], [1, 1, 5], [4, 1, 4]] as const };
  assert.deepEqual(medianSpacing(fingerprint), [1.5, 1, 3.5]);
  const plan = planDataset("Dataset001_Test", fingerprint, "RAS");
  assert.deepEqual(plan.transpose_forward, [2, 0, 1]);
  assert.deepEqual(plan.transpose_backward, [1, 2, 0]);
  assert.deepEqual(plan.original_median_spacing_after_transp, [3.5, 1.5, 1]);
  const { median, onemmiso, noresample } = plan.configurations;
  assert.deepEqual([median.spacing, onemmiso.spacing, noresample.spacing], [[3.5, 1.5, 1], [1, 1, 1], null]);
  assert.equal(onemmiso.data_identifier, "nnsslPlans_onemmiso");
  assert.deepEqual(transposeForward([2, 2, 2]), [0, 1, 2]);
  assert.deepEqual(transposeForward([1, 2, 2]), [1, 0, 2]);
  assert.deepEqual(inversePermutation([2, 0, 1]), [1, 2, 0]);
  assert.throws(() => medianSpacing({ spacings: [] }), RangeError);
});
