import assert from "node:assert/strict";
import { Mt19937 } from "../../../data/mt19937.ts";
import { crossValidationSplits, foldOf, readSplits, writeSplits } from "../../../data/nnunet/splits.ts";

const ids = (n: number): string[] =>
  Array.from({ length: n }, (_, i) => `case_${String(i).padStart(3, "0")}`);
const indices = (cases: readonly string[]): number[] => cases.map((id) => Number(id.slice(5)));

Deno.test("Mt19937.fromSeed() draws what mt19937ar.c draws after init_genrand(5489)", () => {
  const random = Mt19937.fromSeed(5489);
  const drawn = Array.from({ length: 10000 }, () => random.uint32());
  assert.deepEqual(drawn.slice(0, 3), [3499211612, 581869302, 3890346734]);
  assert.equal(drawn[9999], 4123659995); // the value that the C++ standard requires of std::mt19937
  assert.throws(() => Mt19937.fromSeed(-1), /wanted a whole number/);
});

Deno.test("crossValidationSplits() makes nnU-Net's folds", () => {
  const expected: Record<number, number[][]> = {
    10: [[0, 7], [3, 9], [4, 6], [1, 8], [2, 5]],
    23: [[3, 8, 10, 17, 19], [0, 7, 12, 15, 16], [6, 11, 14, 18, 20], [9, 13, 21, 22], [1, 2, 4, 5]],
  };
  for (const [n, folds] of Object.entries(expected)) {
    const all = ids(Number(n));
    const splits = crossValidationSplits(all.toReversed());
    assert.deepEqual(splits.map(({ val }) => indices(val)), folds);
    for (const { train, val } of splits) assert.deepEqual([...train, ...val].sort(), all);
  }
  assert.throws(() => crossValidationSplits(ids(4)), /Cannot split .*4 labelled cases, wanted at least 5/);
});

Deno.test("foldOf() gives stored folds, everything, or a random 80:20 split", () => {
  const all = ids(10), splits = crossValidationSplits(all);
  assert.equal(foldOf(all, splits, 3), splits[3]);
  assert.deepEqual(foldOf(all, splits, "all"), { train: all, val: all });
  // numpy.random.RandomState(12345 + 7).choice(10, 8, replace=False)
  assert.deepEqual(indices(foldOf(all, splits, 7).val), [3, 5]);
  assert.deepEqual(foldOf(all, splits, 7).train.length, 8);
  assert.throws(() => foldOf(all, splits, -1), /fold -1 of 10 cases, wanted fold 0 to 4, or all/);
  assert.throws(
    () => foldOf(ids(4), [], 0),
    /4 labelled cases, wanted at least 5 for 5 folds: train on fold all/,
  );
  assert.equal(foldOf(ids(4), [], 5).train.length, 3);
  assert.throws(() => foldOf(all, splits, 0.5), /fold 0.5/);
});

Deno.test("readSplits() takes a written file and names what is wrong with others", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/splits_final.json`, all = ids(6);
    const splits = crossValidationSplits(all);
    await writeSplits(path, splits);
    assert.deepEqual(await readSplits(path, all), splits);
    const wrong: [unknown, RegExp][] = [
      [{}, /found the file: .*received object, wanted a list of folds/],
      [[], /found the file/],
      [[{ train: ["case_000"] }], /found 0\.val/],
      [[{ train: ["case_000"], val: [] }], /fold 0 with an empty side/],
      [[{ train: ["case_000"], val: ["other"] }], /case other in fold 0, which the data set lacks/],
      [[{ train: ["case_000"], val: ["case_000"] }], /case case_000 twice in fold 0/],
    ];
    for (const [content, message] of wrong) {
      await Deno.writeTextFile(path, JSON.stringify(content));
      await assert.rejects(readSplits(path, all), { message });
    }
    await Deno.writeTextFile(path, "[");
    await assert.rejects(readSplits(path, all), /no JSON/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
