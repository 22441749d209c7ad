/**
 * Times training steps in the block layout on growing patches at one mask ratio, and fits how the time grows with the kept
 * voxels: one JSON line a patch, then one with the slope of log(time) over log(kept voxels).
 *
 *   deno run --allow-all bench/scaling.ts [--patches=64,80,96,128] [--block=8] [--ratio=0.75] [--features=8,16,32,64]
 *     [--rounds=3] [--adapter=auto] [--save]
 *
 * Rounds go through all patches, so that a disturbance meets them alike.
 */
import { parseArgs } from "node:util";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { resolveRunConfig } from "../train/resolve_config.ts";
import { machineFacts, median } from "./record.ts";
import { savedResults, saveResults } from "./save_results.ts";
import { TimedSession } from "./timed_session.ts";

const { values } = parseArgs({
  options: {
    patches: { type: "string", default: "64,80,96,128" },
    block: { type: "string", default: "8" },
    ratio: { type: "string", default: "0.75" },
    features: { type: "string", default: "8,16,32,64" },
    rounds: { type: "string", default: "3" },
    adapter: { type: "string", default: "auto" },
    save: { type: "boolean", default: false },
  },
});
const numbers = (text: string) => text.split(",").map(Number);

/** A run of one sample a step on patches of an edge. */
function create(edge: number): Promise<TimedSession> {
  const config = resolveRunConfig({
    preset: "demo",
    fileName: "bench/scaling.ts",
    file: {
      network: { preset: "demo", features: numbers(values.features) },
      patch: [edge, edge, edge],
      mask: { block: Number(values.block), ratio: { kind: "fixed", value: Number(values.ratio) } },
      batch: { size: 1, micro: 1 },
      augmentation: { rotationProbability: 0, scaleProbability: 0 },
      precision: "f32",
    },
  });
  return TimedSession.create(config, values.adapter as AdapterChoice);
}

/** Slope of the straight line through points, least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) /
    points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

const edges = numbers(values.patches);
const times = new Map(edges.map((edge) => [edge, [] as number[]]));
let adapter = "";
const kept = new Map<number, number>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const edge of edges) {
    using session = await create(edge);
    adapter = session.session.gpu.facts.adapter;
    kept.set(edge, session.session.built.blocks.kept * Number(values.block) ** 3);
    for (let i = 0; i < 3; i++) times.get(edge)!.push((await session.step()).ms);
  }
}
const machine = await machineFacts(adapter);
const shape = `features ${values.features} block ${values.block} ratio ${values.ratio} f32`;
const lines: object[] = edges.map((edge) => ({
  benchmark: "scaling",
  ...machine,
  shape: `${edge}^3 ${shape}`,
  keptVoxels: kept.get(edge)!,
  medianMs: median(times.get(edge)!),
  steps: times.get(edge)!.length,
}));
lines.push({
  benchmark: "scaling",
  ...machine,
  shape,
  keptVoxelsFactor: kept.get(edges.at(-1)!)! / kept.get(edges[0])!,
  logLogSlope: slope(edges.map((edge) => [Math.log(kept.get(edge)!), Math.log(median(times.get(edge)!))])),
});
for (const line of lines) console.log(JSON.stringify(line));
if (values.save) {
  const command = ["deno run --allow-all bench/scaling.ts", ...Deno.args].join(" ");
  console.error(`saved ${await saveResults(savedResults("scaling", command, machine, lines))}`);
}
