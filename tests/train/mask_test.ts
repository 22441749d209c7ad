import assert from "node:assert/strict";
import {
  blockGrid,
  expandMask,
  hiddenCount,
  keptCapacity,
  MaskError,
  maskFromCells,
  sampleBlockMask,
  sampleRatio,
  validationBlockMask,
} from "../../train/mask.ts";

const request = { patch: [96, 64, 48] as const, block: 16, ratio: 0.75, seed: 7, step: 3, sample: 1 };

Deno.test("hiddenCount() truncates the float64 product", () => {
  assert.equal(hiddenCount(0.6, 1000), 600);
  assert.equal(hiddenCount(0.45, 1000), 450);
  assert.equal(hiddenCount(0.3, 1000), 300);
  assert.equal(hiddenCount(0.75, 125), 93);
  assert.equal(hiddenCount(0.9, 216), 194);
});

Deno.test("sampleBlockMask() builds tables that are inverse to each other", () => {
  const mask = sampleBlockMask(request);
  assert.deepEqual(mask.grid, [6, 4, 3]);
  assert.equal(mask.keptCount, 72 - 54);
  assert.equal(mask.keptToGrid.length, mask.keptCount);
  let visible = 0;
  for (let cell = 0; cell < 72; cell++) {
    if (mask.kept[cell] === 1) assert.equal(mask.keptToGrid[mask.gridToKept[cell]], cell, `cell ${cell}`);
    else assert.equal(mask.gridToKept[cell], -1, `cell ${cell}`);
    visible += mask.kept[cell];
  }
  assert.equal(visible, mask.keptCount);
  for (let k = 1; k < mask.keptCount; k++) assert.ok(mask.keptToGrid[k] > mask.keptToGrid[k - 1]);
});

Deno.test("sampleBlockMask() is a pure function of seed, step and sample", () => {
  const text = (r: typeof request) => sampleBlockMask(r).kept.join("");
  assert.equal(text(request), text({ ...request }));
  const others = [{ ...request, seed: 8 }, { ...request, step: 4 }, { ...request, sample: 2 }];
  for (const other of others) assert.notEqual(text(request), text(other), JSON.stringify(other));
});

Deno.test("sampleBlockMask() hides every cell equally often", () => {
  const draws = 2000, counts = new Float64Array(64);
  for (let step = 0; step < draws; step++) {
    const { kept } = sampleBlockMask({
      patch: [64, 64, 64],
      block: 16,
      ratio: 0.75,
      seed: 1,
      step,
      sample: 0,
    });
    for (let cell = 0; cell < 64; cell++) counts[cell] += kept[cell] === 0 ? 1 : 0;
  }
  const deviation = Math.sqrt(draws * 0.75 * 0.25); // one standard deviation of a binomial count
  for (let cell = 0; cell < 64; cell++) {
    assert.ok(
      Math.abs(counts[cell] - draws * 0.75) < 4.5 * deviation,
      `cell ${cell} hidden ${counts[cell]} times`,
    );
  }
});

Deno.test("validationBlockMask() differs per patch and from the training masks", () => {
  const draw = (index: number) => validationBlockMask({ ...request, index }).kept.join("");
  assert.equal(draw(0), draw(0));
  assert.notEqual(draw(0), draw(1));
  assert.notEqual(draw(0), sampleBlockMask({ ...request, step: 0, sample: 0 }).kept.join(""));
});

Deno.test("sampleBlockMask() takes one block edge per axis", () => {
  const mask = sampleBlockMask({ ...request, patch: [32, 32, 6], block: [16, 8, 2], ratio: 0.5 });
  assert.deepEqual(mask.grid, [2, 4, 3]);
  assert.equal(mask.keptCount, 12);
});

Deno.test("sampleBlockMask() refuses what it cannot tile or hide", () => {
  assert.throws(() => sampleBlockMask({ ...request, patch: [96, 60, 48] }), (e) => {
    assert.ok(e instanceof MaskError);
    assert.match(e.message, /Cannot tile patch 96x60x48 with blocks of 16x16x16: axis 1 leaves a remainder/);
    return true;
  });
  for (const ratio of [0, 1, 0.001, Number.NaN, -0.5, 1.5]) {
    assert.throws(() => sampleBlockMask({ ...request, ratio }), MaskError, `ratio ${ratio}`);
  }
  assert.throws(() => blockGrid([16, 16, 16], 0), MaskError);
  assert.throws(() => maskFromCells(new Uint8Array(7), [2, 2, 2]), MaskError);
});

Deno.test("sampleRatio() is one value per step inside its range", () => {
  assert.equal(sampleRatio(1, 99, { kind: "fixed", value: 0.75 }), 0.75);
  const uniform = { kind: "uniform", low: 0.6, high: 0.9 } as const;
  let sum = 0;
  for (let step = 0; step < 4000; step++) {
    const ratio = sampleRatio(123, step, uniform);
    assert.ok(ratio >= 0.6 && ratio < 0.9);
    assert.equal(ratio, sampleRatio(123, step, uniform));
    sum += ratio;
  }
  assert.ok(Math.abs(sum / 4000 - 0.75) < 4.5 * 0.3 / Math.sqrt(12 * 4000));
});

Deno.test("keptCapacity() bounds the visible blocks of every step", () => {
  const uniform = { kind: "uniform", low: 0.6, high: 0.9 } as const;
  assert.equal(keptCapacity(uniform, 1000), 400);
  assert.equal(keptCapacity({ kind: "fixed", value: 0.75 }, 1000), 250);
  for (let step = 0; step < 200; step++) {
    const ratio = sampleRatio(5, step, uniform);
    const mask = sampleBlockMask({ patch: [80, 80, 80], block: 16, ratio, seed: 5, step, sample: 0 });
    assert.ok(mask.keptCount <= keptCapacity(uniform, 125));
  }
});

Deno.test("expandMask() repeats each cell", () => {
  const kept = new Uint8Array([1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0]);
  const expanded = expandMask(kept, [2, 2, 3], [4, 6, 3]);
  for (let d = 0; d < 4; d++) {
    for (let h = 0; h < 6; h++) {
      for (let w = 0; w < 3; w++) {
        const cell = (Math.floor(d / 2) * 2 + Math.floor(h / 3)) * 3 + w;
        assert.equal(expanded[(d * 6 + h) * 3 + w], kept[cell], `${d},${h},${w}`);
      }
    }
  }
});

Deno.test("expandMask() counts a map smaller than the grid in all axes as visible", () => {
  assert.deepEqual(expandMask(new Uint8Array(8), [2, 2, 2], [1, 1, 1]), new Uint8Array([1]));
});

Deno.test("expandMask() refuses maps that are smaller in some axes or no multiple", () => {
  const kept = new Uint8Array(8);
  assert.throws(
    () => expandMask(kept, [2, 2, 2], [4, 1, 4]),
    /axis 1 is smaller than the grid in some axes only/,
  );
  assert.throws(() => expandMask(kept, [2, 2, 2], [4, 4, 5]), /axis 2 is no multiple of the grid/);
});
