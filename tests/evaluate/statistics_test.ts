import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import {
  bootstrapInterval,
  compareMethods,
  holm,
  kendallTau,
  nestedBootstrapInterval,
  permutationTest,
  rankStability,
  wilcoxonSignedRank,
} from "../../evaluate/mod.ts";
import { percentile, standardDeviation } from "../../evaluate/mean.ts";
import { twoSidedNormal } from "../../evaluate/statistics/normal.ts";

const close = (actual: number, wanted: number, share = 1e-12) =>
  assert.ok(Math.abs(actual - wanted) <= share * Math.abs(wanted), `${actual}, wanted ${wanted}`);

Deno.test("wilcoxonSignedRank() has the exact p-values of scipy without ties, and of all signs with ties", () => {
  const five = [0.645584, 1.121618, 0.630437, -1.003157, 1.205356];
  const eight = [0.746375, -0.236953, 0.881118, 0.664572, 0.594132, 0.328422, 0.846713, -0.436454];
  assert.deepEqual(wilcoxonSignedRank(five), { p: 0.3125, count: 5, exact: true });
  assert.equal(wilcoxonSignedRank(eight).p, 0.0546875);
  assert.equal(wilcoxonSignedRank([...eight, 0, NaN]).count, 8);
  assert.deepEqual(wilcoxonSignedRank([0, 0]), { p: 1, count: 0, exact: true });
  // 1 2 2 3 -1 4: ranks 1.5 3.5 3.5 5 1.5 6; negative sum 1.5 is reached by {}, {1.5}, {1.5'}: 2 * 3 / 64
  assert.equal(wilcoxonSignedRank([1, 2, 2, 3, -1, 4]).p, 6 / 64);
});

// deno-fmt-ignore
const FIFTY_SEVEN = [-1.3, -0.9, 1.2, 1.0, -0.3, 0.3, 0.7, 0.8, 1.2, 0.6, 0.2, 1.4, -2.0, 0.2, 0.3, -1.1, 0.6, -0.4, 1.2, 0.2, 1.0,
  1.5, 0.7, -0.6, -1.2, 2.1, 0.2, -0.4, 0.4, 0.1, 1.2, 0.3, 0.3, -0.4, 0.8, -0.7, 1.0, 1.8, -1.2, -2.2, 0.9, 2.8, -0.7, -1.0, 0.9,
  -0.5, -0.2, 0.8, -0.1, 0.6, 0.1, -0.5, -0.7, 0.3, -0.8, -0.8, 1.8];

Deno.test("wilcoxonSignedRank() has scipy's approximation with ties beyond 50 pairs", () => {
  const { p, count, exact } = wilcoxonSignedRank(FIFTY_SEVEN);
  assert.deepEqual([count, exact], [57, false]);
  close(p, 0.14458587843505163);
});

Deno.test("twoSidedNormal() agrees with scipy over its range", () => {
  const wanted = [
    [0, 1],
    [0.5, 0.6170750774519738],
    [1.96, 0.04999579029644087],
    [2.7, 0.006933947606081329],
    [10, 1.523970604832094e-23],
  ];
  for (const [x, p] of wanted) {
    close(twoSidedNormal(x), p);
    assert.equal(twoSidedNormal(-x), twoSidedNormal(x));
  }
  close(twoSidedNormal(2 * Math.SQRT2 - 1e-12), twoSidedNormal(2 * Math.SQRT2 + 1e-12), 1e-10);
  assert.equal(twoSidedNormal(100), 0);
});

Deno.test("permutationTest() tries all signs of few pairs, and random ones of many", () => {
  assert.deepEqual(permutationTest([1, 2, 2, 3, -1, 4]), { p: 0.09375, count: 6, exact: true });
  assert.equal(permutationTest([0, 0, 0]).p, 1);
  assert.equal(permutationTest([]).p, 1);
  const many = permutationTest(FIFTY_SEVEN);
  assert.equal(many.exact, false);
  assert.ok(Math.abs(many.p - 0.1) < 0.05, `${many.p}`); // t test: 0.106
  assert.deepEqual(permutationTest(FIFTY_SEVEN), many);
  const clear = permutationTest(FIFTY_SEVEN.map((value) => Math.abs(value)));
  assert.equal(clear.p, 1 / 10_001);
});

Deno.test("bootstrapInterval() of paired differences covers as often as its level says", () => {
  const random = hashRandom(21);
  let covered = 0;
  const trials = 300, cases = 30;
  for (let trial = 0; trial < trials; trial++) {
    const values = Array.from({ length: cases }, () => 0.4 + random.normal());
    const { low, high } = bootstrapInterval(values, { resamples: 200, seed: trial });
    if (low <= 0.4 && 0.4 <= high) covered++;
  }
  assert.ok(covered / trials > 0.88 && covered / trials < 0.985, `${covered / trials}`);
  const constant = bootstrapInterval([2, NaN, 2], { resamples: 10 });
  assert.deepEqual(constant, { mean: 2, low: 2, high: 2, count: 2 });
  assert.ok(Number.isNaN(bootstrapInterval([NaN]).low));
});

Deno.test("compareMethods() counts wins and leaves undefined cases out", () => {
  const found = compareMethods([0.9, 0.8, NaN, 0.5, 0.7], [0.8, 0.7, 0.3, 0.5, 0.9], { resamples: 500 });
  assert.deepEqual([found.wins, found.draws, found.losses, found.difference.count], [2, 1, 1, 4]);
  assert.ok(Math.abs(found.difference.mean) < 1e-12);
  assert.ok(found.difference.low < 0 && found.difference.high > 0);
  assert.throws(() => compareMethods([1], [1, 2]), /found 1 and 2, wanted as many/);
});

Deno.test("kendallTau() counts pairs and corrects for ties", () => {
  assert.equal(kendallTau([1, 2, 3], [10, 20, 30]), 1);
  assert.equal(kendallTau([1, 2, 3], [3, 2, 1]), -1);
  close(kendallTau([1, 2, 3, 4, 5], [2, 1, 2, 5, 4]), 0.5270462766947298);
  assert.ok(Number.isNaN(kendallTau([1, 1], [1, 2])));
  assert.throws(() => kendallTau([1], [1, 2]), /found 1 and 2 items/);
});

Deno.test("holm() adjusts by the number of tests left and keeps the order", () => {
  assert.deepEqual(holm([0.01, 0.04, 0.03, NaN, 0.005]), [0.03, 0.06, 0.06, NaN, 0.02]);
  assert.deepEqual(holm([0.6, 0.7]), [1, 1]);
});

Deno.test("percentile() and standardDeviation() are numpy's", () => {
  assert.equal(percentile([4, 1, NaN, 3, 2], 50), 2.5);
  close(percentile([1, 2, 3, 10], 97.5), 9.475);
  close(standardDeviation([1, 2, 3, 4]), Math.sqrt(1.25));
  close(standardDeviation([1, 2, 3, 4], true), Math.sqrt(5 / 3));
});

Deno.test("rankStability() puts a method that wins every case first in all resamples, alone and over all data sets", () => {
  const random = hashRandom(2);
  const table = (cases: number) =>
    Array.from({ length: cases }, () => {
      const base = random.uniform();
      return [base, base + 0.1, base - 0.05 + 0.1 * random.uniform()];
    });
  const datasets = [{ name: "x", scores: table(6) }, { name: "y", scores: table(15) }];
  const found = rankStability({ methods: ["a", "b", "c"], datasets, resamples: 200 });
  for (const { methods } of [...found.datasets, found.aggregate]) {
    assert.deepEqual(methods[1], { rank: 1, shares: [1, 0, 0], median: 1, interval: [1, 1] });
    for (const { shares } of methods) close(shares.reduce((sum, share) => sum + share, 0), 1);
  }
  assert.equal(found.meanRanks[1], 1);
  const [unstable] = found.datasets[0].methods;
  assert.ok(unstable.shares[1] > 0 && unstable.shares[2] > 0);
  assert.ok(found.aggregate.kendallTau > 0 && found.aggregate.kendallTau < 1);
  assert.deepEqual(rankStability({ methods: ["a", "b", "c"], datasets, resamples: 200 }), found);
  const tied = rankStability({
    methods: ["a", "b"],
    datasets: [{ name: "x", scores: [[1, 1], [0, 0]] }],
    resamples: 5,
  });
  assert.deepEqual(tied.datasets[0].methods.map(({ rank, shares }) => [rank, shares[0]]), [[1, 1], [1, 1]]);
  assert.deepEqual(tied.meanRanks, [1.5, 1.5]);
  assert.throws(
    () => rankStability({ methods: ["a"], datasets: [{ name: "x", scores: [[1, 2]] }] }),
    /rank on x: found 1 cases with 2 scores, wanted cases with 1/,
  );
});

Deno.test("nestedBootstrapInterval() is as wide as runs differ, however well cases agree", () => {
  const runs = [[0.2, 0.2, 0.2, 0.2], [0.4, 0.4, 0.4, 0.4], [0.6, 0.6, 0.6, 0.6]];
  const { mean, low, high, count } = nestedBootstrapInterval(runs, { resamples: 2000 });
  assert.ok(Math.abs(mean - 0.4) < 1e-12);
  // three runs drawn with replacement: 27 triples, of which one has mean 0.2 and one 0.6 (3.7 % each)
  assert.ok(Math.abs(low - 0.2) < 1e-12 && Math.abs(high - 0.6) < 1e-12, `${low} to ${high}`);
  assert.equal(count, 12);
  const single = nestedBootstrapInterval([[0.1, 0.3, NaN]], { resamples: 500 });
  assert.equal(single.count, 2);
  assert.ok(single.low >= 0.1 && single.high <= 0.3);
  assert.throws(() => nestedBootstrapInterval([]), RangeError);
});
