import assert from "node:assert/strict";
import { ShapeError } from "../../kernels/errors.ts";
import { forEachTap, outputSize, samePadding } from "../../kernels/ops/conv3d/geometry.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { foldGrid } from "../../kernels/wgsl/module.ts";
import { fc } from "../deps.ts";

Deno.test("foldGrid() covers every workgroup, stays within the limit and wastes less than one row or layer", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 65535 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (limit, share) => {
        const groups = Math.max(1, Math.min(Math.floor(share ** 3 * limit ** 3), 2 ** 32));
        const [x, y, z] = foldGrid(groups, limit);
        for (const n of [x, y, z]) assert.ok(Number.isInteger(n) && n >= 1 && n <= limit, `${n} of ${limit}`);
        assert.ok(x * y * z >= groups, `${x}x${y}x${z} is less than ${groups}`);
        if (groups <= limit) assert.deepEqual([x, y, z], [groups, 1, 1]);
        else if (z === 1) assert.ok(x * y - groups < y, `${x}x${y} for ${groups}`);
        else assert.ok(x * y * (z - 1) < groups, `${x}x${y}x${z} for ${groups}`);
      },
    ),
    { seed: 7, numRuns: 1000 },
  );
});

Deno.test("foldGrid() makes one workgroup of none, as WebGPU demands", () =>
  assert.deepEqual(foldGrid(0, 65535), [1, 1, 1]));

const extent = fc.integer({ min: 1, max: 7 });
const sizes = fc.tuple(extent, extent, extent) as fc.Arbitrary<Dims3>;
const kernels = fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(1, 3, 5))) as unknown as fc.Arbitrary<Dims3>;
const strides = fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(1, 2))) as unknown as fc.Arbitrary<Dims3>;

Deno.test("outputSize() of a same-padded convolution is the size divided by the stride, rounded up", () => {
  fc.assert(
    fc.property(sizes, kernels, strides, (size, kernel, stride) => {
      const found = outputSize(size, samePadding("test", { kernel, stride }));
      assert.deepEqual(found, size.map((n, axis) => Math.ceil(n / stride[axis])));
    }),
    { seed: 8 },
  );
});

Deno.test("forEachTap() visits each pair of voxels that a tap joins exactly once", () => {
  fc.assert(
    fc.property(sizes, kernels, strides, (size, kernel, stride) => {
      const g = samePadding("test", { kernel, stride });
      const outSize = outputSize(size, g);
      const seen = new Set<string>();
      forEachTap(outSize, size, g, (out, input, tap) => {
        const key = `${out} ${input} ${tap}`;
        assert.ok(!seen.has(key), `${key} came twice`);
        seen.add(key);
      });
      // per axis: pairs (q, k) with 0 <= s q + k - p < n; the pairs of three axes multiply
      const pairs = [0, 1, 2].map((axis) => {
        let count = 0;
        for (let q = 0; q < outSize[axis]; q++) {
          for (let k = 0; k < kernel[axis]; k++) {
            const at = stride[axis] * q + k - g.padding[axis];
            if (at >= 0 && at < size[axis]) count++;
          }
        }
        return count;
      });
      assert.equal(seen.size, pairs[0] * pairs[1] * pairs[2]);
    }),
    { seed: 9, numRuns: 60 },
  );
});

Deno.test("samePadding() refuses even kernels and strides above 2", () => {
  const refuses = (kernel: Dims3, stride: Dims3, message: string) =>
    assert.throws(() => samePadding("conv3d", { kernel, stride }), (error) => {
      assert.ok(error instanceof ShapeError);
      assert.equal(error.message, message);
      return true;
    });
  refuses([3, 2, 3], [1, 1, 1], "Cannot apply conv3d: kernel is 3x2x3, wanted odd extents");
  refuses([3, 3, 3], [1, 3, 1], "Cannot apply conv3d: stride is 1x3x1, wanted 1 or 2 per axis");
});
