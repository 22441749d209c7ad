import { blockGrid, expandMask, hiddenCount, sampleBlockMask } from "../../../train/mask.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

type Dims = readonly [number, number, number];
interface Count {
  readonly ratio: number;
  readonly blocks: number;
  readonly masked: number;
  readonly visible: number;
}

/** Compares grid shapes and block counts, and that recorded and own masks share layout and counts. */
export function run(group: GoldenGroup, check: Checker): Promise<void> {
  for (const entry of group.manifest.cases) {
    if (entry.op === "block_mask") compareCounts(entry, check);
    else if (entry.op === "block_mask_example") compareExample(entry, group, check);
    else check.miss(entry.id, "op", `unknown op ${entry.op}`);
  }
  return Promise.resolve();
}

function compareCounts({ id, attributes }: GoldenCase, check: Checker): void {
  const { size, block, mask_shape, counts } = attributes as {
    size: Dims;
    block: number;
    mask_shape: Dims;
    counts: readonly Count[];
  };
  check.equal(id, "grid", blockGrid(size, block), mask_shape);
  for (const { ratio, blocks, masked, visible } of counts) {
    check.equal(id, `hidden at ${ratio}`, hiddenCount(ratio, blocks), masked);
    const mask = sampleBlockMask({ patch: size, block, ratio, seed: 1, step: 0, sample: 0 });
    check.equal(id, `cells at ${ratio}`, mask.kept.length, blocks);
    check.equal(id, `visible at ${ratio}`, mask.keptCount, visible);
    check.equal(id, `sum at ${ratio}`, sum(mask.kept), visible);
  }
}

function compareExample({ id, attributes, outputs }: GoldenCase, group: GoldenGroup, check: Checker): void {
  const { size, block, ratio, visible_per_sample } = attributes as {
    size: Dims;
    block: number;
    ratio: number;
    visible_per_sample: readonly number[];
  };
  const recorded = group.tensor(outputs.mask);
  const [batch, , ...grid] = recorded.shape;
  const cells = grid.reduce((product, n) => product * n, 1);
  const values = recorded.data as Uint8Array;
  check.equal(id, "grid", blockGrid(size, block), grid);
  check.equal(id, "batch", batch, visible_per_sample.length);
  for (let sample = 0; sample < batch; sample++) {
    const theirs = values.subarray(sample * cells, (sample + 1) * cells);
    const ours = sampleBlockMask({ patch: size, block, ratio, seed: 1, step: 0, sample });
    check.equal(id, `recorded visible, sample ${sample}`, sum(theirs), visible_per_sample[sample]);
    check.equal(id, `own visible, sample ${sample}`, ours.keptCount, visible_per_sample[sample]);
    // 1 = visible in both: expanding the recorded mask keeps its share of visible voxels
    const voxels = expandMask(theirs, grid as unknown as Dims, size);
    check.equal(id, `voxels, sample ${sample}`, sum(voxels), sum(theirs) * block ** 3);
  }
}

function sum(values: Uint8Array): number {
  return values.reduce((total, value) => total + value, 0);
}
