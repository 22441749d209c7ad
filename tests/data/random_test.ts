import assert from "node:assert/strict";
import { hashRandom, restoreRandom } from "../../data/random.ts";

Deno.test("hashRandom() is a pure function of all its keys", () => {
  const draw = (...keys: number[]) => hashRandom(keys[0], ...keys.slice(1)).uniform();
  assert.equal(draw(1, 2, 3), draw(1, 2, 3));
  const seen = new Set<number>();
  for (let seed = -3; seed < 4; seed++) {
    for (let step = 0; step < 40; step++) {
      for (let sample = 0; sample < 10; sample++) seen.add(draw(seed, step, sample));
    }
  }
  seen.add(draw(1)).add(draw(1, 0)).add(draw(1, 0, 0, 0)).add(draw(1, 2 ** 40)).add(draw(1, -(2 ** 40)));
  assert.equal(seen.size, 7 * 40 * 10 + 5);
  assert.throws(() => hashRandom(0.5), /found key 0.5/);
});

Deno.test("hashRandom() keeps the stream that checkpoints rely on", () => {
  const rng = hashRandom(12345, 6, 7);
  assert.deepEqual([rng.uint32(), rng.uint32(), rng.int(-5, 5), rng.int(0, 999)], [
    3355420322,
    1834173297,
    -2,
    843,
  ]);
});

Deno.test("uniform() and normal() have the right first two moments over many short streams", () => {
  const n = 40000;
  let uniformSum = 0, uniformSquares = 0, normalSum = 0, normalSquares = 0;
  for (let i = 0; i < n; i++) {
    const rng = hashRandom(99, i);
    const u = rng.uniform(), z = rng.normal();
    assert.ok(u >= 0 && u < 1 && Number.isFinite(z));
    uniformSum += u;
    uniformSquares += u * u;
    normalSum += z;
    normalSquares += z * z;
  }
  assert.ok(Math.abs(uniformSum / n - 0.5) < 5 * Math.sqrt(1 / 12 / n));
  assert.ok(Math.abs(uniformSquares / n - 1 / 3) < 5 * Math.sqrt(4 / 45 / n));
  assert.ok(Math.abs(normalSum / n) < 5 / Math.sqrt(n));
  assert.ok(Math.abs(normalSquares / n - 1) < 5 * Math.sqrt(2 / n));
});

Deno.test("int() reaches both ends and is flat; a reversed range is refused", () => {
  const rng = hashRandom(4), counts = new Float64Array(7);
  for (let i = 0; i < 70000; i++) counts[rng.int(-3, 3) + 3]++;
  let chiSquare = 0;
  for (const count of counts) chiSquare += (count - 10000) ** 2 / 10000;
  assert.ok(chiSquare < 30, `chi square ${chiSquare} with 6 degrees of freedom`);
  assert.equal(rng.int(8, 8), 8);
  assert.throws(() => rng.int(1, 0), RangeError);
});

Deno.test("permutation() holds every index once and its first entry is uniform", () => {
  const order = [...hashRandom(1).permutation(257)].sort((a, b) => a - b);
  order.forEach((value, i) => assert.equal(value, i));
  const first = new Float64Array(5);
  for (let i = 0; i < 5000; i++) first[hashRandom(2, i).permutation(5)[0]]++;
  for (const count of first) assert.ok(Math.abs(count - 1000) < 150, `count ${count}`);
  assert.equal(hashRandom(1).permutation(0).length, 0);
});

Deno.test("restoreRandom() goes on exactly, also between the two values of a normal pair", () => {
  const rng = hashRandom(31, 5);
  rng.normal();
  const copy = restoreRandom(JSON.parse(JSON.stringify(rng.state())));
  for (let i = 0; i < 50; i++) assert.equal(copy.normal(), rng.normal());
  assert.equal(copy.int(0, 1e9), rng.int(0, 1e9));
});
