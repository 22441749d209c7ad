/** Random masked auto-encoders in both layouts, in float64 and on the GPU. */
import { interpret } from "../../kernels/graph/interpret.ts";
import { type Dims3, elementCount } from "../../kernels/spec.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { isotropic, type NetworkConfig } from "../../model/config.ts";
import type { MaeConfig, MaeKind } from "../../model/mae.ts";
import { fc } from "../deps.ts";
import { noise, runOnGpu } from "../support/ops.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { type AutoencoderCase, autoencoderCase, type CaseSize, exact, largest } from "./network_case.ts";

/** A network with masks. */
interface LayoutCase {
  readonly mae: MaeConfig;
  readonly size: CaseSize;
}

/** Visible cells of samples that hide about `ratio` of them, at least one of each kind. */
function cellsOf(batch: number, cells: number, ratio: number, seed: number): Float32Array<ArrayBuffer> {
  const visible = new Float32Array(batch * cells);
  for (let n = 0; n < batch; n++) {
    // samples differ in their counts too
    const kept = Math.min(cells - 1, Math.max(1, Math.round((1 - ratio) * cells) - n));
    const keys = noise(cells, seed * 31 + n);
    const order = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
    for (const cell of order.slice(0, kept)) visible[n * cells + cell] = 1;
  }
  return visible;
}

/**
 * Networks of two or three stages on grids of 2 to 3 cells an axis. Blocks divide the strides of all stages, or of all but the
 * last one, whose level is then coarser than the mask.
 */
const layoutCases: fc.Arbitrary<LayoutCase> = fc.record({
  kind: fc.constantFrom<MaeKind>("s3d", "s3d", "s3d", "s3d-no-token", "s3d-efficient", "mae"),
  encoder: fc.constantFrom("residual" as const, "plain" as const),
  features: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
  blocks: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 3, maxLength: 3 }),
  flat: fc.boolean(),
  coarse: fc.boolean(),
  leakyStem: fc.boolean(),
  skips: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
  grid: fc.tuple(
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 2 }),
  ),
  batch: fc.integer({ min: 1, max: 3 }),
  ratio: fc.double({ min: 0.3, max: 0.95, noNaN: true }),
  seed: fc.nat(10_000),
}).map((c): LayoutCase => {
  const stages = c.features.length;
  // a flat first step halves height and width only; the level coarser than the mask must be so in all axes
  const strides = c.features.map((_, i): Dims3 =>
    i === 0 ? [1, 1, 1] : c.flat && i === 1 ? [1, 2, 2] : [2, 2, 2]
  );
  const coarse = c.coarse && !(c.flat && stages === 2);
  const whole = [0, 1, 2].map((axis) => strides.reduce((product, s) => product * s[axis], 1));
  const block = whole.map((n) => coarse ? n / 2 : n) as unknown as Dims3;
  const grid = c.grid.map((n, axis) => coarse || (axis === 1 && n === 1) ? 2 * n : n) as unknown as Dims3;
  const network: NetworkConfig = isotropic({
    features: c.features,
    blocks: c.blocks.slice(0, stages),
    encoder: c.encoder,
    strides,
    skips: c.skips,
  });
  const cells = cellsOf(c.batch, elementCount(grid), c.ratio, c.seed);
  return {
    mae: { kind: c.kind, network, leakyStem: c.leakyStem },
    size: { batch: c.batch, patch: grid.map((n, axis) => n * block[axis]) as unknown as Dims3, block, cells },
  };
});

/** What a case is compared by. */
function targetsOf(c: AutoencoderCase) {
  return new Map([...c.gradients, ["reconstruction", c.reconstruction], ["loss", c.loss]]);
}

/** Compares tensors by name; the budget is a share of each tensor's largest entry and of the largest of all. */
function compareByName(
  found: ReadonlyMap<string, ArrayLike<number>>,
  wanted: ReadonlyMap<string, ArrayLike<number>>,
  share: number,
): void {
  const names = [...wanted.keys()].sort().join();
  if ([...found.keys()].sort().join() !== names) {
    throw new Error(`found ${[...found.keys()]}, wanted ${names}`);
  }
  const scale = Math.max(...[...wanted.values()].map(largest));
  for (const [name, values] of wanted) {
    const atol = share * largest(values) + share / 50 * scale;
    assertAllClose(found.get(name)!, values, { atol, rtol: 0 }, name);
  }
}

/** The same network in both layouts, with equal weights, images and masks. */
function bothLayouts({ mae, size }: LayoutCase): readonly AutoencoderCase[] {
  return (["dense-masked", "blocks"] as const).map((layout) => autoencoderCase(mae, { ...size, layout }));
}

/** Compares output, loss and every gradient of random networks in float64. @throws {Error} naming the first difference */
export function checkLayoutsExactly(runs: number, seed: number): void {
  fc.assert(
    fc.property(layoutCases, (layoutCase) => {
      const [wanted, found] = bothLayouts(layoutCase).map((c) => {
        const targets = targetsOf(c);
        const values = interpret(c.graph, exact(c.feeds), [...targets.values()]);
        return new Map([...targets].map(([name, value]) => [name, values.get(value)!]));
      });
      compareByName(found, wanted, 1e-9);
    }),
    { numRuns: runs, seed },
  );
}

/** As {@link checkLayoutsExactly} on the GPU, the block layout in poisoned memory, up to the order of sums. */
export async function checkLayoutsOnGpu(gpu: Gpu, runs: number, seed: number): Promise<void> {
  const run = async (c: AutoencoderCase, poison: boolean) => {
    const targets = targetsOf(c);
    const values = await runOnGpu(gpu, c.graph, c.feeds, [...targets.values()], { poison });
    return new Map([...targets.keys()].map((name, i) => [name, values[i]]));
  };
  await fc.assert(
    fc.asyncProperty(layoutCases, async (layoutCase) => {
      const [dense, blocks] = bothLayouts(layoutCase);
      compareByName(await run(blocks, true), await run(dense, false), 2e-4);
    }),
    { numRuns: runs, seed },
  );
}
