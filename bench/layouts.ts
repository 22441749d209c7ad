/**
 * Times training steps in the block layout beside dense-masked ones, interleaved, one JSON line a mask ratio.
 *
 *   deno run --allow-all bench/layouts.ts [--patch=96] [--block=16] [--ratios=0.75,0.9] [--network=resenc-l] [--steps=2]
 *     [--precision=f32] [--adapter=auto] [--save]
 *
 * `speedup` is the median of the ratios of neighbouring steps; `transientRatio` compares the memory of both plans.
 */
import { parseArgs } from "node:util";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { resolveRunConfig } from "../train/resolve_config.ts";
import { machineFacts, median } from "./record.ts";
import { savedResults, saveResults } from "./save_results.ts";
import { TimedSession } from "./timed_session.ts";

const { values } = parseArgs({
  options: {
    patch: { type: "string", default: "96" },
    block: { type: "string", default: "16" },
    ratios: { type: "string", default: "0.75,0.9" },
    network: { type: "string", default: "resenc-l" },
    steps: { type: "string", default: "2" },
    precision: { type: "string", default: "f32" },
    adapter: { type: "string", default: "auto" },
    save: { type: "boolean", default: false },
  },
});
const adapter = values.adapter as AdapterChoice;
const edge = Number(values.patch);

/** One run of one sample a step, without augmentation, so that the layouts differ in nothing but themselves. */
function runOf(layout: "blocks" | "dense-masked", ratio: number) {
  return resolveRunConfig({
    preset: "paper",
    fileName: "bench/layouts.ts",
    file: {
      network: { preset: values.network },
      patch: [edge, edge, edge],
      mask: { block: Number(values.block), ratio: { kind: "fixed", value: ratio } },
      batch: { size: 1, micro: 1 },
      augmentation: { rotationProbability: 0, scaleProbability: 0 },
      precision: values.precision,
      layout,
    },
  });
}

const lines: object[] = [];
for (const ratio of values.ratios.split(",").map(Number)) {
  using blocks = await TimedSession.create(runOf("blocks", ratio), adapter);
  using dense = await TimedSession.create(runOf("dense-masked", ratio), adapter);
  const times = { blocks: [] as number[], dense: [] as number[] };
  for (let i = 0; i < Number(values.steps); i++) {
    times.dense.push((await dense.step()).ms);
    times.blocks.push((await blocks.step()).ms);
  }
  const [b, d] = [blocks.session.plan.report, dense.session.plan.report];
  const line = {
    benchmark: "layouts",
    ...await machineFacts(blocks.session.gpu.facts.adapter),
    shape: `${values.network} ${edge}^3 block ${values.block} ${values.precision}`,
    ratio,
    blocksMs: median(times.blocks),
    denseMs: median(times.dense),
    speedup: median(times.dense.map((ms, i) => ms / times.blocks[i])),
    steps: times.dense.length,
    blocksTransientBytes: b.transientBytes,
    denseTransientBytes: d.transientBytes,
    transientRatio: b.transientBytes / d.transientBytes,
    flopRatio: d.phases.micro.flop / b.phases.micro.flop,
  };
  console.log(JSON.stringify(line));
  lines.push(line);
}
if (values.save) {
  const command = ["deno run --allow-all bench/layouts.ts", ...Deno.args].join(" ");
  const first = lines[0] as { adapter: string; runtime: string; commit: string };
  console.error(`saved ${await saveResults(savedResults("layouts", command, first, lines))}`);
}
