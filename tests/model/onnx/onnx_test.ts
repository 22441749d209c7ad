import assert from "node:assert/strict";
import { interpret } from "../../../kernels/graph/interpret.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { isotropic, type NetworkConfig } from "../../../model/config.ts";
import { describeOnnxModel, onnxModel } from "../../../model/onnx/mod.ts";
import { assertAllClose } from "../../support/tolerance.ts";
import { exact, largest } from "../network_case.ts";
import { decodeModel } from "./decode_model.ts";
import { evaluateModel } from "./evaluate_model.ts";
import { inputsOf, type OnnxCase, onnxOptions, ownGraph } from "./onnx_case.ts";

/** Flat kernels and strides at first, channels that change, blocks that do not. */
const residual: NetworkConfig = isotropic({
  features: [2, 3, 4],
  blocks: [1, 2, 1],
  inputChannels: 2,
  outputChannels: 3,
  kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
  strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
  decoderConvs: [1, 2],
  deepSupervision: true,
});
const plain: NetworkConfig = { ...residual, encoder: "plain", blocks: [2, 1, 2] };
const masked: NetworkConfig = isotropic({ features: [2, 3, 4], blocks: [1, 1, 1] });

/** Compares models in float64, up to the constants that ONNX stores as 32-bit floats (eps, slope). */
async function compare(c: OnnxCase, sizes: readonly [number, Dims3][]): Promise<void> {
  const model = decodeModel(await onnxModel(onnxOptions(c, sizes[0][1])));
  for (const [batch, patch] of sizes) {
    const inputs = inputsOf(c, batch, patch);
    const own = ownGraph(c, inputs);
    const wanted = interpret(own.graph, exact(own.feeds), [...own.outputs.values()]);
    const found = evaluateModel(
      model,
      Object.fromEntries(
        Object.entries(inputs.tensors).map(([name, { shape, data }]) => [name, {
          shape,
          data: Float64Array.from(data),
        }]),
      ),
    );
    assert.deepEqual([...found.keys()], [...own.outputs.keys()]);
    for (const [name, value] of own.outputs) {
      assert.deepEqual(found.get(name)!.shape, value.spec.shape);
      const values = wanted.get(value)!;
      assertAllClose(
        found.get(name)!.data,
        values,
        { atol: 1e-6 * largest(values), rtol: 0 },
        `${name} ${patch}`,
      );
    }
  }
}

for (
  const [name, network] of Object.entries({ residual, plain, "without skips": { ...residual, skips: false } })
) {
  Deno.test(`onnxModel() segmentation, ${name}: one model, two sizes and batches, equals the float64 network`, () =>
    compare({ network, part: "segmentation" }, [[1, [2, 8, 8]], [2, [4, 8, 12]]]));
}

for (const [name, network] of Object.entries({ residual, plain })) {
  Deno.test(`onnxModel() encoder, ${name}: every stage equals the float64 encoder`, () =>
    compare({ network, part: "encoder" }, [[2, [4, 8, 8]]]));
}

for (const kind of ["s3d", "s3d-no-token", "s3d-efficient", "mae"] as const) {
  for (
    const [name, block] of [["as coarse as the network", 4], ["finer than the coarsest level", 2]] as const
  ) {
    Deno.test(`onnxModel() reconstruction, ${kind}, blocks ${name}: equals the float64 auto-encoder`, () =>
      compare(
        {
          network: masked,
          part: "reconstruction",
          masking: { kind, leakyStem: false, block: [block, block, block] },
        },
        [[1, [4, 8, 8]], [2, [8, 4, 8]]],
      ));
  }
}

Deno.test("onnxModel() reconstruction, plain encoder with a leaky stem: equals the float64 auto-encoder", () =>
  compare(
    {
      network: { ...masked, encoder: "plain" },
      part: "reconstruction",
      masking: { kind: "s3d", leakyStem: true, block: [4, 4, 4] },
    },
    [[1, [8, 8, 8]]],
  ));

Deno.test("onnxModel() names extents that calls decide on and fixes those that are given", async () => {
  const c: OnnxCase = { network: residual, part: "encoder" };
  const free = decodeModel(await onnxModel(onnxOptions(c, [4, 8, 8])));
  assert.deepEqual(free.inputs, { image: ["batch", 2, "depth", "height", "width"] });
  assert.deepEqual(free.outputs, {
    stage_0: ["batch", 2, "depth", "height", "width"],
    stage_1: ["batch", 3, "depth", "height/2", "width/2"],
    stage_2: ["batch", 4, "depth/2", "height/4", "width/4"],
  });
  const fixed = decodeModel(await onnxModel(onnxOptions(c, [4, 8, 8], { batch: 3, patch: [4, 8, 8] })));
  assert.deepEqual(fixed.inputs, { image: [3, 2, 4, 8, 8] });
  assert.deepEqual(fixed.outputs.stage_2, [3, 4, 2, 2, 2]);
});

Deno.test("onnxModel() writes opset 17, metadata and only the weights that the part reads", async () => {
  const c: OnnxCase = { network: residual, part: "segmentation" };
  const metadata = { normalisation: "z-score", spacing: "1 1 1", labels: '{"background":0,"Läsion":1}' };
  const { graph } = ownGraph(c, inputsOf(c, 1, [4, 8, 8]));
  const model = decodeModel(await onnxModel(onnxOptions(c, [4, 8, 8], { metadata })));
  assert.deepEqual([model.irVersion, model.opset, model.producer], [8, 17, "spark3d"]);
  assert.deepEqual(model.metadata, metadata);
  const weights = graph.parameters.map(({ name }) => name).filter((name) =>
    !name.startsWith("decoder.seg_layers.0")
  );
  assert.deepEqual([...model.tensors.keys()].filter((name) => !name.startsWith("constant")), weights);
  for (const name of weights) assert.deepEqual(model.tensors.get(name)!.shape, graph.find(name).spec.shape);
});

Deno.test("describeOnnxModel() asks for one tensor at a time, after what comes before it", async () => {
  const c: OnnxCase = { network: residual, part: "segmentation" };
  const options = onnxOptions(c, [4, 8, 8]);
  const asked: string[] = [];
  const model = describeOnnxModel({ ...options, tensor: (name) => (asked.push(name), options.tensor(name)) });
  let bytes = 0;
  let weights = 0;
  for await (const chunk of model.chunks()) {
    bytes += chunk.length;
    if (asked.length > weights) assert.equal(asked.length, ++weights);
  }
  assert.equal(bytes, model.byteLength);
  assert.equal(new Set(asked).size, asked.length);
  assert.deepEqual(model.multiple, [2, 4, 4]);
});

Deno.test("onnxModel() refuses what does not fit, naming what was found and wanted", async () => {
  const c: OnnxCase = {
    network: masked,
    part: "reconstruction",
    masking: { kind: "s3d", leakyStem: false, block: [4, 4, 4] },
  };
  const options = onnxOptions(c, [4, 8, 8]);
  const refused = (changes: Partial<typeof options>, message: RegExp) =>
    assert.rejects(() => onnxModel({ ...options, ...changes }), message);
  await refused({ masking: undefined }, /found no masking, wanted its kind and block/);
  await refused(
    { masking: { ...c.masking!, block: [4, 0, 4] } },
    /mask block is 4x0x4, wanted positive integers/,
  );
  await refused({ masking: { ...c.masking!, block: [3, 4, 4] } }, /wanted a multiple|grid/);
  await refused({ patch: [4, 8, 6] }, /axis 2 is 6, wanted a multiple of 4/);
  await refused({ batch: 0 }, /batch is 0, wanted a positive integer or dynamic/);
  await refused({ tensor: () => new Float32Array(5) }, /found 5 values, wanted \d+ for shape/);
  const wide = isotropic({ features: [2048, 4096], blocks: [1, 2] });
  assert.throws(
    () => describeOnnxModel({ ...options, part: "segmentation", network: wide }),
    /Cannot write an ONNX model of .* GiB: protocol buffers allow 2.00 GiB/,
  );
});
