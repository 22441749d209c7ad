import assert from "node:assert/strict";
import { readSafetensors, writeSafetensors } from "../../../data/safetensors_file.ts";
import { interpret } from "../../../kernels/graph/interpret.ts";
import { isotropic, type NetworkConfig } from "../../../model/config.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlan } from "../../../train/adaptation_plan.ts";
import { type Transfer, TransferError, transferWeights } from "../../../train/finetune/transfer.ts";
import { goldenDir, openGroup } from "../../golden/support.ts";
import { exact, largest, movedParameters } from "../../model/network_case.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { noise } from "../../support/ops.ts";
import { pretrainPlan, sameBytes } from "../tiny_run.ts";
import {
  pretrainedTensors,
  type Tensors,
  TINY_PATCH,
  tinyNetwork,
  unetGraph,
  writeCheckpoint,
} from "./pretrained_checkpoint.ts";

const network = tinyNetwork();

/** Writes a checkpoint of `of`, changed, and transfers it to `to`. */
function transferred(
  to: NetworkConfig,
  options: {
    readonly of?: NetworkConfig;
    readonly change?: (tensors: Tensors) => void;
    readonly transferDecoder?: boolean;
  } = {},
): Promise<Transfer> {
  return withFolder(async (folder) => {
    const checkpoint = `${folder}/final.safetensors`;
    const { tensors } = pretrainedTensors(options.of ?? network);
    options.change?.(tensors);
    await writeCheckpoint(checkpoint, tensors, options.of ?? network);
    return await transferWeights({
      checkpoint,
      parameters: unetGraph(to).parameters,
      ...("transferDecoder" in options && { transferDecoder: options.transferDecoder }),
    });
  });
}

/** Encoder features in float64 of a network that got `values`, its other weights arbitrary. */
function features(
  to: NetworkConfig,
  values: Transfer["values"],
  image: Float32Array<ArrayBuffer>,
): Float64Array[] {
  const built = unetGraph(to);
  const feeds = movedParameters(built.graph, 77);
  for (const parameter of built.graph.parameters) {
    const value = values.get(parameter.name);
    if (value) feeds.set(parameter, value);
  }
  feeds.set(built.image, image);
  const found = interpret(built.graph, exact(feeds), [...built.skips]);
  return built.skips.map((skip) => Float64Array.from(found.get(skip)!));
}

Deno.test("transferWeights() copies the encoder byte by byte and leaves decoder and heads as they start", async () => {
  const { values, report, adaptationPlan } = await transferred(tinyNetwork({ outputChannels: 4 }));
  const { parameters } = unetGraph(network);
  const encoder = parameters.map(({ name }) => name).filter((name) => name.startsWith("encoder."));
  assert.deepEqual(report.transferred, encoder);
  assert.deepEqual(report.adapted, []);
  assert.deepEqual(
    report.fresh,
    parameters.map(({ name }) => name).filter((name) => name.startsWith("decoder.")),
  );
  assert.deepEqual([...values.keys()], encoder);
  const { tensors } = pretrainedTensors(network);
  for (const [name, data] of values) assert.ok(sameBytes(data, tensors.get(name)!.data), name);
  assert.ok(report.unused.includes("mask_tokens.0") && report.unused.includes("densify_projs.1.weight"));
  assert.ok(
    report.unused.every((name) => !name.includes(":") && name !== "lossScale"),
    "states are no weights",
  );
  assert.equal(adaptationPlan.pretrain_plan.orientation, "RAS");
});

Deno.test("transferWeights() with the decoder takes its stages and transposed convolutions, never a head", async () => {
  const { report } = await transferred(tinyNetwork({ outputChannels: 4 }), { transferDecoder: true });
  assert.ok(report.transferred.includes("decoder.stages.0.convs.0.conv.weight"));
  assert.ok(report.transferred.includes("decoder.transpconvs.1.bias"));
  assert.deepEqual(
    report.fresh,
    [0, 1].flatMap((j) => [`decoder.seg_layers.${j}.weight`, `decoder.seg_layers.${j}.bias`]),
  );
});

for (const encoder of ["residual", "plain"] as const) {
  Deno.test(`a ${encoder} network with three equal channels responds as pre-trained on one`, async () => {
    const of = tinyNetwork({ encoder });
    const to = tinyNetwork({ encoder, inputChannels: 3 });
    const voxels = noise(8 ** 3, 5);
    const one = features(of, (await transferred(of, { of })).values, voxels);
    const { values, report } = await transferred(to, { of });
    assert.deepEqual(report.adapted, [
      `encoder.${encoder === "residual" ? "stem" : "stages.0.0"}.convs.0.conv.weight`,
    ]);
    const three = features(to, values, Float32Array.from([...voxels, ...voxels, ...voxels]));
    three.forEach((found, stage) => {
      const scale = largest(one[stage]);
      assert.ok(scale > 0.1, "the network must respond");
      const apart = largest(found.map((value, i) => value - one[stage][i]));
      assert.ok(apart < 1e-5 * scale, `stage ${stage}: ${apart} of ${scale}`); // weights are thirds in float32
    });
  });
}

Deno.test("transferWeights() prefers all_modules, which alone is trained in the reference's sparse encoders", async () => {
  const stem = "encoder.stem.convs.0";
  const trained = noise(3 * 27, 9);
  const { values, report } = await transferred(tinyNetwork({ inputChannels: 2 }), {
    change: (tensors) => {
      const { shape } = tensors.get(`${stem}.conv.weight`)!;
      tensors.set(`${stem}.all_modules.0.weight`, { dtype: "F32", shape, data: trained });
      tensors.set(`decoder.${stem}.conv.weight`, { dtype: "F32", shape, data: noise(81, 10) });
    },
  });
  const found = values.get(`${stem}.conv.weight`)!;
  for (let f = 0; f < 3; f++) {
    for (let c = 0; c < 2; c++) {
      const kernel = found.subarray((2 * f + c) * 27, (2 * f + c + 1) * 27);
      assert.ok(sameBytes(kernel, trained.subarray(27 * f, 27 * (f + 1)).map((w) => w / 2)));
    }
  }
  assert.ok(
    report.unused.every((name) => !name.includes("all_modules") && !name.startsWith("decoder.encoder")),
  );
});

const deeper = tinyNetwork({ features: [3, 4, 5, 5], blocks: [1, 2, 1, 1] });
const stage1 = "encoder.stages.1.blocks.1.conv1.conv.weight";
const refused: [string, NetworkConfig, Parameters<typeof transferred>[1], RegExp][] = [
  [
    "a network with more stages",
    deeper,
    {},
    /found \d+ tensors missing \(encoder\.stages\.3\..*\) and 0 that the network does not have; the checkpoint is of a ResidualEncoderUNet with features 3, 4, 5: use a plan/,
  ],
  [
    "a network with fewer stages",
    network,
    { of: deeper },
    /found 0 tensors missing and \d+ that the network does not have \(encoder\.stages\.3\..*\).* 3, 4, 5, 5: use a plan/,
  ],
  [
    "another kind of encoder",
    tinyNetwork({ encoder: "plain" }),
    {},
    /found \d+ tensors missing \(encoder\.stages\.0\.0.*and \d+ that the network does not have \(encoder\.stages\.0\.blocks/,
  ],
  [
    "wider stages",
    tinyNetwork({ features: [3, 6, 5] }),
    {},
    /found encoder\.stages\.1.* as \[4.*\], wanted \[6.*\]; the checkpoint is of a .*: use a plan made from this checkpoint$/,
  ],
  [
    "flat kernels",
    tinyNetwork({ kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]] }),
    {},
    /found encoder\.stem\.convs\.0\.conv\.weight as \[3,1,3,3,3\], wanted \[3,1,1,3,3\]/,
  ],
  [
    "a missing tensor",
    network,
    { change: (t) => void t.delete(stage1) },
    /found 1 tensors missing \(encoder\.stages\.1\.blocks\.1\.conv1\.conv\.weight\) and 0 that/,
  ],
  [
    "a value that is not a number",
    network,
    { change: (t) => void (t.get(stage1)!.data[3] = NaN) },
    /found values in encoder\.stages\.1\.blocks\.1\.conv1\.conv\.weight that are not finite: use a checkpoint from before/,
  ],
  [
    "half floats",
    network,
    {
      change: (t) => {
        const { shape, data } = t.get(stage1)!;
        t.set(stage1, { dtype: "F16", shape, data: Float16Array.from(data) });
      },
    },
    /found encoder\.stages\.1\.blocks\.1\.conv1\.conv\.weight as F16, wanted F32/,
  ],
  [
    "two channels for a network of three",
    tinyNetwork({ inputChannels: 3 }),
    { of: tinyNetwork({ inputChannels: 2 }) },
    /found a network of 2 input channels, wanted 1 or 3: use a checkpoint of one channel/,
  ],
  [
    "a decoder of another depth",
    tinyNetwork({ decoderConvs: [2, 1] }),
    { transferDecoder: true },
    /found \d+ tensors missing \(decoder\.stages\.0\.convs\.1\.conv\.weight\)/,
  ],
];
for (const [what, to, options, text] of refused) {
  Deno.test(`transferWeights() refuses ${what} in one line`, () =>
    assert.rejects(transferred(to, options), (error: Error) => {
      assert.ok(error instanceof TransferError, `${error.name}: ${error.message}`);
      assert.match(error.message, /^Cannot transfer weights from \S+\/final\.safetensors: found [^\n]+$/);
      assert.match(error.message, text);
      return true;
    }));
}

Deno.test("transferWeights() refuses files that are no checkpoints in one line", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/some.safetensors`;
    const { parameters } = unetGraph(network);
    const { tensors } = pretrainedTensors(network);
    const plan = JSON.stringify(adaptationPlan(network, TINY_PATCH, pretrainPlan(TINY_PATCH)));
    const cases: [string | null, RegExp][] = [
      [null, /found no nnssl_adaptation_plan: use a checkpoint of a pre-training or fine-tuning run$/],
      ["{", /found an nnssl_adaptation_plan that is no JSON: use/],
      [
        plan.replace('"pretrain_num_input_channels":1', '"pretrain_num_input_channels":0'),
        /found nnssl_adaptation_plan\.pretrain_num_input_channels: /,
      ],
      [
        plan.replace(
          '"onemmiso":',
          '"a":{"normalization_schemes":[],"spacing":null,"patch_size":[8,8,8]},"onemmiso":',
        ),
        /configurations: wanted the one configuration/,
      ],
    ];
    for (const [text, message] of cases) {
      await writeSafetensors(checkpoint, tensors, text === null ? {} : { [ADAPTATION_PLAN_KEY]: text });
      await assert.rejects(transferWeights({ checkpoint, parameters }), { name: "TransferError", message });
    }
    const whole = await Deno.readFile(checkpoint);
    await Deno.writeFile(checkpoint, whole.subarray(0, whole.length - 100));
    await assert.rejects(transferWeights({ checkpoint, parameters }), { name: "SafetensorsError" });
    await assert.rejects(transferWeights({ checkpoint: `${folder}/none.safetensors`, parameters }), {
      name: "DataError",
    });
  }));

const recorded = `${goldenDir()}/n_checkpoints`;
const withRecorded = await Deno.stat(recorded).then(() => true, () => false);
Deno.test({
  name:
    "transferWeights() gives what the reference's loader gives, and trained weights in stems of several channels",
  ignore: !withRecorded,
  fn: () =>
    withFolder(async (folder) => {
      const { cases } = openGroup(recorded).manifest;
      for (const { id, attributes, ...files } of cases.filter(({ op }) => op === "finetune_load")) {
        const { source, expected } = files as unknown as { source: string; expected: string };
        const twin = source.replace(/\.pth$/, ".network_weights.safetensors");
        const { tensors } = await readSafetensors(`${recorded}/${twin}`);
        const checkpoint = `${folder}/${id}.safetensors`;
        const sizes = residualSizes(tensors as Tensors);
        await writeCheckpoint(checkpoint, tensors as Tensors, sizes);
        const inputChannels = attributes.in_channels as number;
        const { parameters } = unetGraph({ ...sizes, inputChannels });
        const { values, report } = await transferWeights({ checkpoint, parameters });
        const wanted = await readSafetensors(`${recorded}/${expected}`);
        assert.equal(values.size, wanted.tensors.size);
        assert.equal(report.adapted.length, inputChannels === 1 ? 0 : 1);
        for (const [name, data] of values) {
          const untrained = attributes.conv_and_all_modules_differ_in_checkpoint &&
            report.adapted.includes(name);
          const same = sameBytes(data, wanted.tensors.get(name)!.data as Float32Array);
          assert.equal(same, !untrained, `${name} of ${id}`);
        }
      }
    }),
});

/** Stages and blocks of a residual network by its tensors. */
function residualSizes(tensors: Tensors): NetworkConfig {
  const of = (stage: number, block: number) =>
    tensors.get(`encoder.stages.${stage}.blocks.${block}.conv1.conv.weight`)?.shape[0];
  const features: number[] = [], blocks: number[] = [];
  for (let stage = 0; of(stage, 0) !== undefined; stage++) {
    features.push(of(stage, 0)!);
    let depth = 1;
    while (of(stage, depth) !== undefined) depth++;
    blocks.push(depth);
  }
  return isotropic({ features, blocks });
}
