import { conv3dInputGradient, type InputGradientAttrs } from "../../kernels/ops/conv3d/gradients.ts";
import { conv3d, type Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import type { BlockGrid } from "../../kernels/ops/blocks/table.ts";
import { type Dims3, type OpDef, tensor, type Tile } from "../../kernels/spec.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkOp } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

/** The operation with one tile, which must be among its candidates. */
function tiled<A>(op: OpDef<A>, tile: Tile): OpDef<A> {
  return {
    ...op,
    gradient: undefined,
    lower(request) {
      const software = { ...request, device: { ...request.device, software: true } };
      const { choice } = op.lower(software);
      if (!choice!.candidates.some((c) => JSON.stringify(c) === JSON.stringify(tile))) {
        throw new Error(`${JSON.stringify(tile)} is no candidate of ${choice!.key}`);
      }
      const tiles = { [choice!.key]: { ...tile, ms: 1, ruleMs: 1 } };
      return op.lower({ ...software, device: { ...software.device, tiles } });
    },
  };
}

const N = 2;
const IN = 14;
const OUT = 18;
const AT: BlockGrid = { grid: [2, 2, 3], kept: 7 };

/** Forward and input gradient of 14 to 18 channels with a tile; both sides in blocks where `at` is given. */
function gatherCases(tile: Tile, size: Dims3, kernel: Dims3, at?: BlockGrid) {
  const layout = { kernel, stride: [1, 1, 1] as Dims3, table: at !== undefined };
  const operand = (channels: number) =>
    at ? blockInput(N, channels, size, at) : { shape: [N, channels, ...size] };
  const table = at ? [tableInput(N, at)] : [];
  const weight = { shape: [OUT, IN, ...kernel] };
  const x = operand(IN);
  const spec = "spec" in x && x.spec ? x.spec : tensor([N, IN, ...size]);
  const attrs: Conv3dAttrs = { ...layout, inputs: 1, bias: true };
  const back: InputGradientAttrs = { ...layout, first: 0, x: spec };
  return {
    forward: {
      op: tiled(conv3d, tile),
      attrs,
      inputs: [x, weight, { shape: [OUT] }, ...table],
      tolerance: toleranceFor(IN * 27),
    },
    backward: {
      op: tiled(conv3dInputGradient, tile),
      attrs: back,
      inputs: [operand(OUT), weight, ...table],
      tolerance: toleranceFor(OUT * 27),
    },
  };
}

const CUBE: Dims3 = [3, 3, 3];
const cases: readonly [string, Tile, Dims3, Dims3, BlockGrid?][] = [
  ["rows of fours, tiles over the end", { size: [1, 6, 8], quads: 2, blocks: 1 }, [3, 8, 12], CUBE],
  ["whole tiles", { size: [1, 8, 8], quads: 1, blocks: 1 }, [3, 16, 8], CUBE],
  ["whole tiles of a cube", { size: [2, 2, 4], quads: 2, blocks: 1 }, [4, 4, 8], CUBE],
  ["odd rows", { size: [1, 4, 8], quads: 2, blocks: 1 }, [3, 7, 9], CUBE],
  ["many channels", { size: [1, 4, 4], quads: 4, blocks: 1 }, [3, 6, 8], CUBE],
  ["two planes", { size: [2, 4, 4], quads: 1, blocks: 1 }, [5, 6, 8], CUBE],
  ["one voxel deep", { size: [1, 4, 8], quads: 1, blocks: 1 }, [4, 5, 8], [1, 3, 3]],
  ["1x1x1", { size: [1, 4, 8], quads: 2, blocks: 1 }, [3, 5, 8], [1, 1, 1]],
  ["blocks of 8", { size: [1, 4, 8], quads: 2, blocks: 1 }, [16, 16, 24], CUBE, AT],
  ["blocks of 4", { size: [1, 4, 4], quads: 4, blocks: 1 }, [8, 8, 12], CUBE, AT],
  ["blocks of 2, two a thread", { size: [2, 2, 2], quads: 1, blocks: 2 }, [4, 4, 6], CUBE, AT],
  ["blocks of 1, eight a thread", { size: [1, 1, 1], quads: 4, blocks: 8 }, [2, 2, 3], CUBE, AT],
];

for (const [name, tile, size, kernel, at] of cases) {
  const text = `${tile.size.join("x")}, ${4 * tile.quads} channels`;
  gpuTest(`a gather in tiles of ${text} matches the reference: ${name}`, async (gpu) => {
    const { forward, backward } = gatherCases(tile, size, kernel, at);
    await checkOp(gpu, forward);
    await checkOp(gpu, backward);
  });
}
