import assert from "node:assert/strict";
import { interpret } from "../../kernels/graph/interpret.ts";
import { exportModel } from "../../train/interop/export_model.ts";
import { readModel } from "../../train/interop/read_model.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { exact, largest } from "../model/network_case.ts";
import { inputsOf, type OnnxCase, ownGraph } from "../model/onnx/onnx_case.ts";
import { hasOnnxRuntime, runSession } from "../model/onnx/run_onnx_session.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { type Weights, writePretrainedRun, writeSegmentationRun } from "../train/interop/exported_run.ts";

const ignore = !await hasOnnxRuntime();

/** What a run folder holds, as a case. */
async function caseOf(run: string): Promise<OnnxCase> {
  await using model = await readModel(run);
  const { kind, network, leakyStem, maskBlock } = model;
  if (kind === "segmentation" || kind === "network") return { network, part: "segmentation" };
  const block: Dims3 = [maskBlock!, maskBlock!, maskBlock!];
  return { network, part: "reconstruction", masking: { kind, leakyStem, block } };
}

/** Exports a run and compares what onnxruntime makes of the file with the float64 network of the same weights. */
async function compare(run: string, folder: string, weights: Weights, patch: Dims3): Promise<void> {
  await exportModel({ from: run, format: "onnx", out: `${folder}/model.onnx`, card: null });
  const c = await caseOf(run);
  const inputs = inputsOf(c, 2, patch);
  const [found] = await runSession(folder, "model.onnx", [inputs]);
  const { graph, feeds, outputs } = ownGraph(c, inputs);
  for (const parameter of graph.parameters) feeds.set(parameter, weights.get(parameter.name)!.data);
  const wanted = interpret(graph, exact(feeds), [...outputs.values()]);
  assert.deepEqual([...found.keys()], [...outputs.keys()]);
  for (const [name, value] of outputs) {
    const values = wanted.get(value)!;
    assert.deepEqual(found.get(name)!.shape, value.spec.shape);
    assertAllClose(found.get(name)!.data, values, { atol: 1e-4 * largest(values), rtol: 0 }, name);
  }
}

for (const kind of ["s3d", "mae"]) {
  Deno.test(`onnxruntime reconstructs as an exported ${kind} run does`, { ignore }, async () => {
    using folder = temporaryFolder();
    const run = `${folder.path}/run`;
    const weights = await writePretrainedRun(run, { network: { kind } });
    await compare(run, folder.path, weights, [16, 16, 32]);
  });
}

Deno.test("onnxruntime segments as an exported fine-tuning run does", { ignore }, async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`;
  const weights = await writeSegmentationRun(run);
  await compare(run, folder.path, weights, [16, 32, 16]);
});
