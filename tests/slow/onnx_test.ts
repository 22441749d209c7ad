import assert from "node:assert/strict";
import { interpret } from "../../kernels/graph/interpret.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { type Dims3, elementCount } from "../../kernels/spec.ts";
import { isotropic, networkPreset } from "../../model/config.ts";
import type { EncoderLayout } from "../../model/masking.ts";
import { describeOnnxModel } from "../../model/onnx/mod.ts";
import { exact, largest } from "../model/network_case.ts";
import { inputsOf, type OnnxCase, type OnnxInputs, onnxOptions, ownGraph } from "../model/onnx/onnx_case.ts";
import { hasOnnxRuntime, runSession } from "../model/onnx/run_onnx_session.ts";
import { gpuTest } from "../support/gpu.ts";
import { runOnGpu } from "../support/ops.ts";
import { spawn, temporaryFolder } from "../support/spawn.ts";
import { assertAllClose } from "../support/tolerance.ts";

/** Largest difference, as a share of an output's largest value. */
const SHARE = 1e-4;

const hasRuntime = await hasOnnxRuntime();

/** A Python that has onnx: the one on the path, or Debian's own. */
async function findPython(): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if ((await spawn(python, ["-c", "import onnx.checker"]).catch(() => null))?.code === 0) return python;
  }
  console.log("onnx's checker is skipped: no python3 can import onnx (Debian package python3-onnx)");
  return null;
}

const python = await findPython();

/** Runs onnx's checker, with shape inference, and prints what it makes of inputs and outputs. */
const CHECK = `
import sys, json, onnx
from onnx import checker, shape_inference
model = onnx.load(sys.argv[1])
checker.check_model(model, full_check=True)
inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
ports = lambda values: {v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim] for v in values}
print(json.dumps({"inputs": ports(inferred.graph.input), "outputs": ports(inferred.graph.output),
  "opset": [[o.domain, o.version] for o in model.opset_import], "metadata": {p.key: p.value for p in model.metadata_props},
  "domains": sorted({n.domain for n in model.graph.node})}))
`;

/** Writes the model of a case into a folder, tensor by tensor. */
async function writeModel(folder: string, c: OnnxCase, patch: Dims3, fixed: boolean): Promise<string> {
  const model = describeOnnxModel(
    onnxOptions(c, patch, { metadata: { spacing: "1 1 1" }, ...(fixed ? { patch, batch: 1 } : {}) }),
  );
  const path = `${folder}/model.onnx`;
  await Deno.writeFile(path, ReadableStream.from(model.chunks()));
  assert.equal((await Deno.stat(path)).size, model.byteLength);
  return path;
}

/** Largest differences of an output, as shares of its largest value. */
function shareOf(found: Float32Array, wanted: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < wanted.length; i++) most = Math.max(most, Math.abs(found[i] - wanted[i]));
  return most / largest(wanted);
}

/** Compares onnxruntime's outputs with ours: on the adapter in every layout, and in float64 where that is quick. */
async function compare(
  gpu: Gpu,
  c: OnnxCase,
  calls: readonly OnnxInputs[],
  layouts: readonly EncoderLayout[],
  fixed = false,
) {
  using folder = temporaryFolder();
  await writeModel(folder.path, c, calls[0].patch, fixed);
  const results = await runSession(folder.path, "model.onnx", calls);
  const worst = new Map<string, number>();
  for (const [index, inputs] of calls.entries()) {
    const check = (name: string, wanted: ArrayLike<number>, shape: readonly number[], by: string) => {
      const found = results[index].get(name)!;
      assert.deepEqual(found.shape, shape);
      worst.set(by, Math.max(worst.get(by) ?? 0, shareOf(found.data, wanted)));
      const atol = SHARE * largest(wanted);
      assertAllClose(found.data, wanted, { atol, rtol: 0 }, `${by} ${name} ${inputs.patch.join("x")}`);
    };
    for (const layout of layouts) {
      const { graph, feeds, outputs } = ownGraph(c, inputs, layout);
      const own = await runOnGpu(gpu, graph, feeds, [...outputs.values()]);
      [...outputs].forEach(([name, value], i) => check(name, own[i], value.spec.shape, layout));
    }
    if (elementCount(inputs.patch) * Math.max(...c.network.features) > 2 ** 18) continue; // loops of minutes
    const { graph, feeds, outputs } = ownGraph(c, inputs);
    const own = interpret(graph, exact(feeds), [...outputs.values()]);
    for (const [name, value] of outputs) check(name, own.get(value)!, value.spec.shape, "float64");
  }
  const text = [...worst].map(([by, share]) => `${by} ${share.toExponential(1)}`).join(", ");
  console.log(
    `largest difference from our own outputs, share of the largest value: ${text}`,
  );
}

const residual = isotropic({
  features: [4, 8, 12, 16],
  blocks: [1, 2, 2, 1],
  outputChannels: 3,
  kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
  strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]],
  deepSupervision: true,
});
const plain = { ...residual, encoder: "plain" as const, decoderConvs: [2, 2, 2] };
const masked = isotropic({ features: [4, 8, 12, 16], blocks: [1, 2, 2, 1] });
const sizes: readonly Dims3[] = [[8, 16, 16], [16, 32, 24], [32, 48, 64]];
const cubes: readonly Dims3[] = [[16, 16, 16], [32, 16, 48], [48, 48, 48]];

if (hasRuntime) {
  for (const [name, network] of Object.entries({ residual, plain })) {
    gpuTest(`onnxruntime segments as we do, ${name}, three sizes and two batches`, (gpu) => {
      const c: OnnxCase = { network, part: "segmentation" };
      return compare(gpu, c, sizes.map((size, i) => inputsOf(c, i === 1 ? 2 : 1, size)), ["dense-masked"]);
    });
    gpuTest(`onnxruntime encodes as we do, ${name}, every stage`, (gpu) => {
      const c: OnnxCase = { network, part: "encoder" };
      return compare(gpu, c, sizes.map((size) => inputsOf(c, 1, size)), ["dense-masked"]);
    });
  }
  for (const kind of ["s3d", "s3d-efficient", "s3d-no-token"] as const) {
    gpuTest(`onnxruntime reconstructs as we do, ${kind}, both layouts, three sizes`, (gpu) => {
      const c: OnnxCase = {
        network: masked,
        part: "reconstruction",
        masking: { kind, leakyStem: kind === "s3d-efficient", block: [8, 8, 8] },
      };
      return compare(gpu, c, cubes.map((size, i) => inputsOf(c, i === 1 ? 2 : 1, size)), [
        "dense-masked",
        "blocks",
      ]);
    });
  }
  gpuTest(
    "onnxruntime reconstructs as we do, s3d with blocks finer than the coarsest stage, fixed size",
    (gpu) => {
      const c: OnnxCase = {
        network: masked,
        part: "reconstruction",
        masking: { kind: "s3d", leakyStem: false, block: [4, 4, 4] },
      };
      return compare(gpu, c, [inputsOf(c, 1, [16, 32, 16])], ["dense-masked", "blocks"], true);
    },
  );
  for (
    const [name, network] of Object.entries({
      residual: masked,
      plain: { ...masked, encoder: "plain" as const },
    })
  ) {
    gpuTest(`onnxruntime reconstructs as we do, mae, ${name}, three sizes`, (gpu) => {
      const c: OnnxCase = {
        network,
        part: "reconstruction",
        masking: { kind: "mae", leakyStem: false, block: [8, 8, 8] },
      };
      return compare(gpu, c, cubes.map((size) => inputsOf(c, 1, size)), ["dense-masked"]);
    });
  }
  for (const kind of ["s3d", "mae"] as const) {
    gpuTest(
      `onnxruntime reconstructs as we do, ${kind}, at a large patch, most of which is hidden`,
      (gpu) => {
        const c: OnnxCase = {
          network: isotropic({ features: [2, 4], blocks: [1, 1] }),
          part: "reconstruction",
          masking: { kind, leakyStem: false, block: [16, 16, 16] },
        };
        return compare(gpu, c, [inputsOf(c, 1, [128, 128, 128])], ["dense-masked"]);
      },
    );
  }
  gpuTest("onnxruntime segments as we do, the whole ResEnc-L", (gpu) => {
    const c: OnnxCase = { network: networkPreset("resenc-l", { outputChannels: 4 }), part: "segmentation" };
    return compare(gpu, c, [inputsOf(c, 1, [64, 64, 64])], ["dense-masked"]);
  });
}

const parts: readonly [string, OnnxCase][] = [
  ["encoder", { network: residual, part: "encoder" }],
  ["plain segmentation", { network: plain, part: "segmentation" }],
  ["s3d", {
    network: masked,
    part: "reconstruction",
    masking: { kind: "s3d", leakyStem: false, block: [8, 8, 8] },
  }],
  ["mae", {
    network: masked,
    part: "reconstruction",
    masking: { kind: "mae", leakyStem: false, block: [8, 8, 8] },
  }],
  ["ResEnc-L segmentation", {
    network: networkPreset("resenc-l", { outputChannels: 4 }),
    part: "segmentation",
  }],
];
for (const [name, c] of parts) {
  const patch: Dims3 = c.network.features.length === 6 ? [32, 32, 32] : [16, 16, 16];
  for (const fixed of patch[0] === 32 ? [false] : [false, true]) {
    Deno.test({
      name: `onnx's checker accepts the ${name} model, ${fixed ? "fixed" : "dynamic"} sizes`,
      ignore: python === null,
      async fn() {
        using folder = temporaryFolder();
        const path = await writeModel(folder.path, c, patch, fixed);
        const { code, stdout, stderr } = await spawn(python!, ["-c", CHECK, path]);
        assert.equal(code, 0, stderr);
        const report = JSON.parse(stdout);
        assert.deepEqual([report.opset, report.domains], [[["", 17]], [""]]);
        assert.deepEqual(report.metadata, { spacing: "1 1 1" });
        const wanted = fixed
          ? [1, c.network.inputChannels, ...patch]
          : ["batch", c.network.inputChannels, "depth", "height", "width"];
        assert.deepEqual(report.inputs.image, wanted);
      },
    });
  }
}
