/** Operations in the block layout at the shapes of ResEnc-L on a 160^3 patch of 16^3 blocks, three of four hidden. */
import { appendTokenChannel } from "../kernels/ops/blocks/append_token_channel.ts";
import { hiddenMask, keptMask } from "../kernels/ops/blocks/masks.ts";
import { gatherBlocks, scatterBlocks } from "../kernels/ops/blocks/op.ts";
import { type BlockGrid, blocksSpec, blockTable } from "../kernels/ops/blocks/table.ts";
import { conv3d } from "../kernels/ops/conv3d/op.ts";
import { instanceNorm } from "../kernels/ops/instance_norm/op.ts";
import { avgPool3d } from "../kernels/ops/pool/op.ts";
import type { Dims3, OpDef } from "../kernels/spec.ts";
import { NORM_EPS, SLOPE } from "../model/config.ts";
import type { BenchCase, CaseFamily, CaseInput } from "./case.ts";
import { PATCH, STAGES } from "./conv_cases.ts";

/** A level of an encoder: channels, edge of its maps, and the blocks that are kept of them. */
interface Level {
  readonly channels: number;
  readonly edge: number;
  readonly at: BlockGrid;
}

const at: BlockGrid = { grid: [PATCH / 16, PATCH / 16, PATCH / 16], kept: (PATCH / 16) ** 3 / 4 };
/** Levels with masks that one binding of 128 MiB holds, cheapest first; then the finest. */
const levels: readonly Level[] = STAGES.slice(0, 5).map((stage) => ({ ...stage, at })).reverse();
const small: Level = { channels: 3, edge: 8, at: { grid: [2, 2, 2], kept: 3 } };
const finest = levels.at(-1)!;

const cube = (edge: number): Dims3 => [edge, edge, edge];

function blocksOf({ channels, edge, at }: Level): CaseInput {
  return { shape: blocksSpec("bench", 1, channels, cube(edge), at).shape, blocks: at };
}

function tableOf({ at }: Level): CaseInput {
  return { shape: blockTable(1, at).shape, blocks: at, contents: "table" };
}

/** The map that a level's blocks are cut from. */
function mapOf({ channels, edge }: Level): CaseInput {
  return { shape: [1, channels, ...cube(edge)] };
}

function family(
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  op: OpDef<any>,
  variant: string,
  full: readonly Level[],
  describe: (level: Level) => { attrs: unknown; inputs: readonly CaseInput[] },
): CaseFamily {
  const build = (level: Level): BenchCase => ({
    op,
    shape: `${level.channels}x${level.edge}^3 ${variant}, ${level.at.kept} blocks`,
    ...describe(level),
  });
  return { name: `${op.name} ${variant}`, small: [build(small)], cases: full.map(build) };
}

const token = ({ channels }: Level): CaseInput => ({ shape: [1, channels, 1, 1, 1] });
const three = cube(3);
const one = cube(1);

/** All families of the block layout. */
export const blockFamilies: readonly CaseFamily[] = [
  family(conv3d, "3x3x3 in blocks", levels, (level) => ({
    attrs: { kernel: three, stride: one, inputs: 1, bias: true, table: true },
    inputs: [
      blocksOf(level),
      { shape: [level.channels, level.channels, ...three] },
      { shape: [level.channels] },
      tableOf(level),
    ],
  })),
  // the decoder's finest stage: upsampled features, the encoder's blocks, the mask of hidden voxels for the token
  family(conv3d, "3x3x3 of a map, blocks and a mask", levels.slice(3), (level) => ({
    attrs: { kernel: three, stride: one, inputs: 3, bias: true, table: true, to: "dense" },
    inputs: [
      mapOf(level),
      blocksOf(level),
      { shape: [1, 1, ...cube(level.edge)], contents: "mask" },
      { shape: [level.channels, 2 * level.channels + 1, ...three] },
      { shape: [level.channels] },
      tableOf(level),
    ],
  })),
  family(instanceNorm, "in blocks", levels, (level) => ({
    attrs: { eps: NORM_EPS, affine: true, residual: false, masked: true, slope: SLOPE },
    inputs: [
      blocksOf(level),
      { shape: [level.channels], contents: "positive", gradient: true },
      { shape: [level.channels], contents: "positive", gradient: true },
      tableOf(level),
    ],
  })),
  family(avgPool3d, "in blocks", levels, (level) => ({
    attrs: { stride: cube(2) },
    inputs: [blocksOf(level), tableOf(level)],
  })),
  family(
    gatherBlocks,
    "of maps",
    levels,
    (level) => ({ attrs: level.at, inputs: [mapOf(level), tableOf(level)] }),
  ),
  family(scatterBlocks, "with token", levels, (level) => ({
    attrs: { token: true },
    inputs: [blocksOf(level), token(level), tableOf(level)],
  })),
  ...[keptMask, hiddenMask].map((op) =>
    family(op, "of the patch", [finest], (level) => ({
      attrs: { ...level.at, size: cube(level.edge) },
      inputs: [tableOf(level)],
    }))
  ),
  family(appendTokenChannel, "3x3x3", [finest, ...levels.slice(0, 4).reverse()], (level) => ({
    attrs: { first: 0 },
    inputs: [{ shape: [level.channels, level.channels, ...three] }, token(level)],
  })),
];
