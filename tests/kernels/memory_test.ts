import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { affineResample } from "../../kernels/ops/augment/op.ts";
import { avgPool3d } from "../../kernels/ops/pool/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";

// On lavapipe, branches on uniforms at known offsets made every submission compile anew and keep the old code:
// 150 KB a run of a pooling kernel, 240 KB of a spline filter. Three hundred runs of both would be 110 MB.
gpuTest("replaying a phase keeps the process's memory flat", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, 24, 24, 24]));
  const transform = graph.input("transform", tensor([1, 16]));
  const [patch] = graph.apply(affineResample, [x, transform], { size: [16, 16, 16], order: 3 });
  const [pooled] = graph.apply(avgPool3d, [patch], { stride: [2, 2, 2] });
  graph.output("pooled", pooled);
  using executor = await Executor.create(
    gpu,
    compile(graph, { device: gpu.facts, phases: { run: [pooled] } }),
  );
  const replay = async (times: number) => {
    for (let i = 0; i < times; i++) {
      executor.run("run");
      if (i % 10 === 9) await executor.finish();
    }
    return Deno.memoryUsage().rss / 2 ** 20;
  };
  const before = await replay(50);
  const after = await replay(300);
  assert.ok(after - before < 30, `300 replays grew the process by ${(after - before).toFixed(0)} MiB`);
});
