import assert from "node:assert/strict";
import { ShapeError } from "../../kernels/errors.ts";
import { appendTokenChannel } from "../../kernels/ops/blocks/append_token_channel.ts";
import { hiddenMask, keptMask } from "../../kernels/ops/blocks/masks.ts";
import { gatherBlocks, scatterBlocks } from "../../kernels/ops/blocks/op.ts";
import { type BlockGrid, blockTable, blockTableRow } from "../../kernels/ops/blocks/table.ts";
import type { InstanceNormAttrs } from "../../kernels/ops/instance_norm/inputs.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { applyMask } from "../../kernels/ops/mask/op.ts";
import { maxPool3d } from "../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../kernels/ops/pool/op.ts";
import { type Dims3, elementCount, type OpDef, tensor } from "../../kernels/spec.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { gpuTest } from "../support/gpu.ts";
import { type CaseInput, checkGradient, checkOp, inputSpec, noise, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

/** Volumes whose blocks are cubes, flat boxes and single voxels; capacities below and at the number of cells. */
const layouts: { size: Dims3; at: BlockGrid }[] = [
  { size: [8, 8, 12], at: { grid: [2, 2, 3], kept: 7 } },
  { size: [4, 9, 10], at: { grid: [4, 3, 2], kept: 24 } },
  { size: [4, 4, 4], at: { grid: [4, 4, 4], kept: 20 } },
];

function layer<A>(op: OpDef<A>, attrs: A, inputs: CaseInput[], terms = 8): OpCase<A> {
  return { op, attrs, inputs, tolerance: toleranceFor(terms) };
}

function norm(
  n: number,
  channels: number,
  { size, at }: (typeof layouts)[number],
  flags: Partial<InstanceNormAttrs>,
  offset = 0,
): OpCase<InstanceNormAttrs> {
  const attrs = { eps: 1e-5, affine: false, residual: false, masked: true, slope: 1, ...flags };
  const x = blockInput(n, channels, size, at);
  const moved = noise(elementCount(x.spec.shape), 1).map((v) => v + offset) as Float32Array<ArrayBuffer>;
  return {
    op: instanceNorm,
    attrs,
    inputs: [
      { ...x, data: moved },
      ...(attrs.affine ? [{ shape: [channels] }, { shape: [channels] }] : []),
      ...(attrs.residual ? [x] : []),
      tableInput(n, at),
    ],
    tolerance: { atol: 2e-5, rtol: 1e-5 },
    gradientTolerance: { atol: 1e-4, rtol: 1e-5 },
  };
}

// deno-lint-ignore no-explicit-any -- attributes differ by operation
const cases: [string, OpCase<any>][] = [];
for (const { size, at } of layouts) {
  const text = `${size.join("x")} in ${at.grid.join("x")} cells`;
  const table = tableInput(2, at);
  const x = { shape: [2, 3, ...size] };
  const blocks = blockInput(2, 3, size, at);
  const token = { shape: [1, 3, 1, 1, 1] };
  cases.push(
    [`gatherBlocks() of ${text}`, layer(gatherBlocks, at, [x, table])],
    [`scatterBlocks() of ${text}`, layer(scatterBlocks, { token: false }, [blocks, table])],
    [
      `scatterBlocks() with token of ${text}`,
      layer(scatterBlocks, { token: true }, [blocks, token, table], 500),
    ],
    [`keptMask() of ${text}`, layer(keptMask, { ...at, size }, [table])],
    [`hiddenMask() of ${text}`, layer(hiddenMask, { ...at, size }, [table])],
    [`instanceNorm() in blocks of ${text}`, norm(2, 3, { size, at }, {})],
    [
      `instanceNorm() in blocks with everything, of ${text}`,
      norm(2, 3, { size, at }, { affine: true, residual: true, slope: 0.01 }),
    ],
  );
}
const [cubes, , voxels] = layouts;
const flat: (typeof layouts)[number] = { size: [2, 8, 8], at: { grid: [2, 2, 4], kept: 11 } };
cases.push(
  [
    "instanceNorm() in blocks of more voxels than one workgroup sums",
    norm(2, 2, { size: [24, 24, 24], at: { grid: [3, 3, 3], kept: 25 } }, { affine: true, slope: 0.01 }),
  ],
  [
    "avgPool3d() within blocks",
    layer(avgPool3d, { stride: [2, 2, 2] }, [
      blockInput(2, 3, cubes.size, cubes.at),
      tableInput(2, cubes.at),
    ]),
  ],
  [
    "avgPool3d() 1x2x2 within blocks",
    layer(avgPool3d, { stride: [1, 2, 2] }, [blockInput(3, 2, flat.size, flat.at), tableInput(3, flat.at)]),
  ],
  [
    "avgPool3d() from blocks of one voxel to a dense map",
    layer(avgPool3d, { stride: [2, 2, 2] }, [
      blockInput(2, 5, voxels.size, voxels.at),
      tableInput(2, voxels.at),
    ]),
  ],
  [
    "avgPool3d() from blocks of one voxel, odd grid",
    layer(avgPool3d, { stride: [2, 2, 2] }, [
      blockInput(1, 2, [5, 4, 3], { grid: [5, 4, 3], kept: 33 }),
      tableInput(1, { grid: [5, 4, 3], kept: 33 }),
    ]),
  ],
  [
    "appendTokenChannel() of all channels",
    layer(appendTokenChannel, { first: 0 }, [{ shape: [5, 3, 3, 3, 3] }, { shape: [1, 3, 1, 1, 1] }], 200),
  ],
  [
    "appendTokenChannel() of the last channels",
    layer(appendTokenChannel, { first: 4 }, [{ shape: [7, 6, 1, 3, 2] }, { shape: [1, 2, 1, 1, 1] }], 200),
  ],
);

for (const [name, c] of cases) {
  gpuTest(`${name}: kernels match the reference`, (gpu) => checkOp(gpu, c));
  if (c.op.gradient) Deno.test(`${name}: gradients match finite differences`, () => checkGradient(c));
}

gpuTest("instanceNorm() in blocks keeps its precision when the mean is 1000", (gpu) =>
  checkOp(gpu, {
    ...norm(2, 2, { size: [24, 24, 24], at: { grid: [3, 3, 3], kept: 20 } }, { affine: true }, 1000),
    tolerance: { atol: 3e-4, rtol: 1e-5 },
    gradientTolerance: { atol: 5e-3, rtol: 1e-4 },
  }));

gpuTest("instanceNorm() in blocks gives finite values for a sample without kept blocks", async (gpu) => {
  const { size, at } = cubes;
  const table = new Int32Array(2 * (1 + 12 + 7)).fill(-1);
  table.set(blockTableRow(Uint8Array.from({ length: 12 }, (_, i) => i < 3 ? 1 : 0), at), 0);
  table[20] = 0;
  const c = norm(2, 3, { size, at }, { affine: true, slope: 0.01 });
  await checkOp(gpu, { ...c, inputs: c.inputs.with(-1, { spec: blockTable(2, at), data: table }) });
});

Deno.test("operations refuse tables, layouts and sizes that do not fit, and say what was wanted", () => {
  const { size, at } = cubes;
  const x = inputSpec(blockInput(1, 3, size, at));
  const table = blockTable(1, at);
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  const refused = (op: OpDef<any>, inputs: (typeof x)[], attrs: unknown, message: RegExp) =>
    assert.throws(() => op.infer(inputs, attrs), (error) => {
      assert.ok(error instanceof ShapeError && message.test(error.message), String(error));
      return true;
    });
  const attrs = { eps: 1e-5, affine: false, residual: false, masked: true, slope: 1 };
  refused(instanceNorm, [x], { ...attrs, masked: false }, /block table is missing, wanted i32 \[1,20\]/);
  refused(instanceNorm, [x, tensor([1, 20])], attrs, /block table is f32 \[1,20\], wanted i32 \[1,20\]/);
  refused(avgPool3d, [x, blockTable(2, at)], { stride: [2, 2, 2] }, /i32 \[2,20\], wanted i32 \[1,20\]/);
  const odd = inputSpec(blockInput(1, 3, [6, 6, 9], at));
  refused(avgPool3d, [odd, table], { stride: [2, 2, 2] }, /edge 3x3x3 cannot be pooled by 2x2x2/);
  refused(maxPool3d, [x, table], { stride: [2, 2, 2] }, /block layout, wanted a dense tensor/);
  refused(applyMask, [x, tensor([1, 1, ...size])], {}, /block layout/);
  refused(gatherBlocks, [x, table], at, /block layout, wanted a dense tensor/);
  refused(gatherBlocks, [tensor([1, 3, 8, 9, 12]), table], at, /8x9x12 is no multiple of the mask grid/);
  refused(scatterBlocks, [tensor([1, 3, ...size]), table], { token: false }, /x is dense/);
  refused(
    scatterBlocks,
    [x, tensor([1, 4, 1, 1, 1]), table],
    { token: true },
    /token has shape \[1,4,1,1,1\]/,
  );
  refused(
    appendTokenChannel,
    [tensor([2, 3, 1, 1, 1]), tensor([1, 2, 1, 1, 1])],
    { first: 2 },
    /no channels 2 to 3/,
  );
});
