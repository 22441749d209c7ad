import assert from "node:assert/strict";
import { Checker, goldenDir, goldenNumber, hashFill, openGroup, type TensorRef } from "../golden/support.ts";

const ref = (tolerance?: TensorRef["tolerance"]): TensorRef => ({
  file: "f",
  key: "k",
  dtype: "F32",
  shape: [3],
  tolerance,
});
const checkerOf = (values: number[]) => new Checker(() => ({ data: values, shape: [values.length] }));

Deno.test("Checker accepts the tolerance's edge and reports the worst element beyond it", () => {
  const check = checkerOf([1, -2, 0]);
  check.close("edge", "y", [1.25, -2.375, 0.125], ref({ atol: 0.125, rtol: 0.125 }));
  assert.equal(check.missCount, 0);
  assert.equal(check.worstShare, 1);
  check.close("beyond", "y", [1, -2.5, 0.25], ref({ atol: 0.125, rtol: 0.125 }));
  assert.equal(check.missCount, 1);
  assert.deepEqual({ ...check.misses[0], reason: "" }, {
    caseId: "beyond",
    tensor: "y",
    index: 2,
    actual: 0.25,
    expected: 0,
    budgetShare: 2,
    reason: "",
  });
  assert.equal(check.cases, 2);
  assert.equal(check.tensors, 2);
});

Deno.test("Checker is exact without a tolerance, and NaN, infinity and lengths count", () => {
  const check = checkerOf([1, NaN, Infinity]);
  check.close("same", "y", [1, NaN, Infinity], ref());
  assert.equal(check.missCount, 0);
  check.close("nan", "y", [1, 0, Infinity], ref({ atol: 1e9, rtol: 1 }));
  check.close("nan2", "y", [NaN, NaN, Infinity], ref({ atol: 1e9, rtol: 1 }));
  check.close("infinity", "y", [1, NaN, 1e30], ref({ atol: 1e9, rtol: 1 }));
  check.close("exact", "y", [1 + 2 ** -40, NaN, Infinity], ref());
  check.close("short", "y", [1, NaN], ref());
  check.equal("equal", "shape", [1, 2], [1, 3]);
  check.equal("equal", "order", { a: 1, b: [2] }, { b: [2], a: 1 });
  check.closeNumber("number", "lr", 0.1, "NaN");
  assert.equal(check.missCount, 7);
});

Deno.test("goldenNumber() reads the strings that stand for non-finite numbers", () => {
  assert.deepEqual([1.5, "Infinity", "-Infinity", "NaN"].map(goldenNumber), [1.5, Infinity, -Infinity, NaN]);
  assert.throws(() => goldenNumber("12"));
});

const folder = goldenDir();
if (folder === null) {
  console.log("hashFill() and openGroup() tests ignored: no folder of recorded values (GOLDEN_DIR)");
}
Deno.test({
  name: "hashFill() gives the first values that the manifests record",
  ignore: folder === null,
  fn: () => {
    let compared = 0;
    for (const entry of Deno.readDirSync(folder!)) {
      if (!entry.isDirectory) continue;
      for (const golden of openGroup(`${folder}/${entry.name}`).manifest.cases) {
        for (const spec of Object.values((golden.hash_inputs ?? {}) as Record<string, unknown>)) {
          const { shape, seed, first4 } = spec as { shape?: number[]; seed: number; first4: number[] };
          if (!shape || !first4) continue;
          const values = hashFill(shape, seed);
          first4.forEach((value, i) => assert.equal(values[i], Math.fround(value)));
          compared++;
        }
      }
    }
    console.log(`compared ${compared} generated inputs`);
  },
});
