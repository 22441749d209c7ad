import assert from "node:assert/strict";
import { describeResamples, drawCases } from "../../evaluate/ranking/bootstrap.ts";
import { rank } from "../../evaluate/ranking/rank.ts";
import {
  aggregateThenRank,
  meanRanks,
  rankMeans,
  rankThenAggregate,
} from "../../evaluate/ranking/score_table.ts";

Deno.test("rank() counts from the best, shares ties as asked, and puts undefined scores last", () => {
  assert.deepEqual(rank([0.7, 0.9, 0.8]), [3, 1, 2]);
  assert.deepEqual(rank([0.7, 0.9, 0.9, 0.9]), [4, 2, 2, 2]);
  assert.deepEqual(rank([0.7, 0.9, 0.9, 0.9], { ties: "min" }), [4, 1, 1, 1]);
  assert.deepEqual(rank([3, 1, 2], { better: "lower" }), [3, 1, 2]);
  assert.deepEqual(rank([NaN, 0.1, NaN, 0.2]), [3.5, 2, 3.5, 1]);
  assert.deepEqual(rank([NaN, 5, Infinity], { better: "lower" }), [2.5, 1, 2.5]);
  assert.deepEqual(rank([]), []);
});

Deno.test("three methods on two data sets rank as by hand, in either order", () => {
  const first = [[0.9, 0.8, 0.7], [0.5, 0.8, 0.6]]; // means 0.7, 0.8, 0.65: ranks 2 1 3; in cases 1 2 3 and 3 1 2
  const second = [[0.4, 0.4, 0.9], [0.6, 0.6, 0.5]]; // means 0.5, 0.5, 0.7: ranks 2.5 2.5 1; in cases 2.5 2.5 1, 1.5 1.5 3
  assert.deepEqual(rankMeans(first), [2, 1, 3]);
  assert.deepEqual(aggregateThenRank([first, second]), [2.25, 1.75, 2]);
  assert.deepEqual(meanRanks(first), [2, 1.5, 2.5]);
  assert.deepEqual(rankThenAggregate([first, second]), [2, 1.75, 2.25]);
  assert.deepEqual(aggregateThenRank([first, second], [[0, 0], [1, 1]]), [1.25, 1.75, 3]);
});

Deno.test("a method that wins every case is alone in first place in every resample", () => {
  const table = Array.from({ length: 7 }, (_, i) => [0.5 + 0.01 * i, 0.6 + 0.01 * i, 0.4]);
  const resampled = Array.from({ length: 200 }, (_, b) => rankMeans(table, drawCases(7, 3, b)));
  const [, winner] = describeResamples(resampled);
  assert.deepEqual([winner.strictlyBest, winner.interval, winner.median], [1, [1, 1], 1]);
});

Deno.test("drawCases() is a pure function of its keys and draws every case equally often", () => {
  assert.deepEqual(drawCases(20, 1, 5, 2), drawCases(20, 1, 5, 2));
  assert.notDeepEqual(drawCases(20, 1, 5, 2), drawCases(20, 1, 6, 2));
  assert.notDeepEqual(drawCases(20, 1, 5, 2), drawCases(20, 1, 5, 3));
  const counts = new Uint32Array(10);
  for (let b = 0; b < 2000; b++) for (const index of drawCases(10, 4, b)) counts[index]++;
  for (const count of counts) assert.ok(Math.abs(count - 2000) < 5 * Math.sqrt(2000 * 0.9), `${count}`);
});
