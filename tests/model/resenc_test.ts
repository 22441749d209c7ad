import assert from "node:assert/strict";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { type NetworkConfig, networkPreset } from "../../model/config.ts";
import { maskedAutoencoder } from "../../model/mae.ts";
import { declareVisibleBlocks, type EncoderLayout } from "../../model/masking.ts";
import { parameterCount, torchAlias, torchKeys } from "../../model/parameters.ts";
import { resEncUNet } from "../../model/unet.ts";

const FEATURES = [32, 64, 128, 256, 320, 320];
const BLOCKS = [1, 3, 4, 6, 6, 6];

function unet(config: NetworkConfig, edge = 32) {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, config.inputChannels, edge, edge, edge]));
  return { graph, ...resEncUNet(new Scope(graph), image, config) };
}

function shapes(graph: Graph): Record<string, string> {
  return Object.fromEntries(graph.parameters.map((p) => [p.name, p.spec.shape.join()]));
}

/** Every tensor of ResEnc-L by key and shape, as the reference network registers them. */
function publishedTensors(inputChannels: number, outputChannels: number): Record<string, string> {
  const found: Record<string, string> = {};
  const convNorm = (key: string, out: number, inside: number, kernel: string, bias = true) => {
    found[`${key}.conv.weight`] = `${out},${inside},${kernel}`;
    if (bias) found[`${key}.conv.bias`] = `${out}`;
    found[`${key}.norm.weight`] = found[`${key}.norm.bias`] = `${out}`;
  };
  convNorm("encoder.stem.convs.0", 32, inputChannels, "3,3,3");
  BLOCKS.forEach((blocks, stage) => {
    const out = FEATURES[stage], before = FEATURES[Math.max(0, stage - 1)];
    for (let block = 0; block < blocks; block++) {
      const key = `encoder.stages.${stage}.blocks.${block}`;
      convNorm(`${key}.conv1`, out, block === 0 ? before : out, "3,3,3");
      convNorm(`${key}.conv2`, out, out, "3,3,3");
      if (block === 0 && stage >= 1 && stage <= 4) convNorm(`${key}.skip.1`, out, before, "1,1,1", false);
    }
  });
  for (let j = 0; j < 5; j++) {
    const level = 4 - j, out = FEATURES[level];
    found[`decoder.transpconvs.${j}.weight`] = `${FEATURES[level + 1]},${out},2,2,2`;
    found[`decoder.transpconvs.${j}.bias`] = `${out}`;
    convNorm(`decoder.stages.${j}.convs.0`, out, 2 * out, "3,3,3");
    found[`decoder.seg_layers.${j}.weight`] = `${outputChannels},${out},1,1,1`;
    found[`decoder.seg_layers.${j}.bias`] = `${outputChannels}`;
  }
  return found;
}

Deno.test("resEncUNet() ResEnc-L has the published keys and shapes, 264 tensors", () => {
  for (const [inputChannels, outputChannels] of [[1, 1], [4, 4]]) {
    const { graph } = unet(networkPreset("resenc-l", { inputChannels, outputChannels }));
    assert.equal(graph.parameters.length, 264);
    assert.deepEqual(shapes(graph), publishedTensors(inputChannels, outputChannels));
  }
});

Deno.test("torchKeys() of ResEnc-L gives 956 distinct keys: 448, 448 below decoder, 60", () => {
  const keys = unet(networkPreset("resenc-l")).graph.parameters.flatMap(torchKeys);
  assert.equal(new Set(keys).size, 956);
  assert.equal(keys.length, 956);
  const below = (prefix: string) => keys.filter((k) => k.startsWith(prefix)).length;
  assert.deepEqual([below("encoder."), below("decoder.encoder."), below("decoder.")], [448, 448, 508]);
});

Deno.test("torchAlias() names the second registration of conv and norm", () => {
  assert.equal(
    torchAlias("encoder.stages.1.blocks.0.skip.1.norm.bias"),
    "encoder.stages.1.blocks.0.skip.1.all_modules.1.bias",
  );
  assert.equal(torchAlias("encoder.stem.convs.0.conv.weight"), "encoder.stem.convs.0.all_modules.0.weight");
  assert.equal(torchAlias("decoder.transpconvs.0.weight"), null);
  assert.equal(torchAlias("mask_tokens.3"), null);
});

Deno.test("parameterCount() of ResEnc-L equals the published numbers", () => {
  const count = (inputChannels: number, outputChannels: number) =>
    parameterCount(unet(networkPreset("resenc-l", { inputChannels, outputChannels })).graph);
  assert.equal(count(1, 1), 102_348_965);
  assert.equal(count(1, 2), 102_349_770);
  assert.equal(count(4, 4), 102_353_972);
  const { graph } = unet(networkPreset("resenc-l"));
  const part = (pattern: RegExp) =>
    graph.parameters.filter((p) => pattern.test(p.name)).reduce(
      (sum, p) => sum + elementCount(p.spec.shape),
      0,
    );
  assert.equal(part(/^encoder\./), 90_296_576);
  assert.equal(part(/^decoder\./), 12_052_389);
  assert.deepEqual(
    BLOCKS.map((_, stage) => part(new RegExp(`^encoder\\.stages\\.${stage}\\.`))),
    [55_488, 611_584, 3_329_280, 20_391_424, 32_718_720, 33_189_120],
  );
  assert.equal(part(/seg_layers\.[0-3]\./), 772);
});

Deno.test("maskedAutoencoder() on ResEnc-L adds tokens and densification: 110,203,205 parameters", () => {
  const build = (
    kind: "s3d" | "s3d-no-token" | "s3d-efficient" | "mae",
    layout: EncoderLayout = "dense-masked",
  ) => {
    const graph = new Graph();
    const image = graph.input("image", tensor([1, 1, 64, 64, 64]));
    const mask = declareVisibleBlocks(graph, layout, 1, { grid: [4, 4, 4], kept: 16 });
    const { reconstruction, visible, decayOnly } = maskedAutoencoder(new Scope(graph), image, mask, {
      kind,
      network: networkPreset("resenc-l"),
      leakyStem: false,
    });
    assert.deepEqual([reconstruction.spec.shape, visible.spec.shape], [image.spec.shape, image.spec.shape]);
    // the coarsest level, 2^3, is coarser than the mask of 4^3 cells: its token gets no gradient
    assert.deepEqual(
      decayOnly.map((p) => p.name),
      kind.endsWith("token") || kind === "mae" ? [] : ["mask_tokens.5"],
    );
    return graph;
  };
  const s3d = build("s3d");
  const named = (graph: Graph) => graph.parameters.map((p) => `${p.name} ${p.spec.shape}`);
  for (const kind of ["s3d", "s3d-no-token", "s3d-efficient", "mae"] as const) {
    assert.deepEqual(named(build(kind, "blocks")), named(build(kind)), "one network in either layout");
  }
  assert.equal(parameterCount(s3d), 110_203_205);
  const added = Object.entries(shapes(s3d)).filter(([name]) => !/^(encoder|decoder)\./.test(name));
  const wanted: Record<string, string> = {};
  FEATURES.forEach((f, level) => {
    wanted[`mask_tokens.${level}`] = `1,${f},1,1,1`;
    if (level === 0) return;
    wanted[`densify_projs.${level}.weight`] = `${f},${f},3,3,3`;
    wanted[`densify_projs.${level}.bias`] = `${f}`;
  });
  assert.deepEqual(Object.fromEntries(added), wanted);
  assert.equal(parameterCount(build("s3d-efficient")), 102_348_965 + 1120);
  assert.equal(parameterCount(build("s3d-no-token")), 102_348_965);
  assert.equal(parameterCount(build("mae")), 102_348_965);
});

Deno.test("presets M and XL are ResEnc-L; widths and depths of the size ablation differ as published", () => {
  const count = (name: string) => parameterCount(unet(networkPreset(name)).graph);
  assert.equal(count("resenc-m"), 102_348_965);
  assert.equal(count("resenc-xl"), 102_348_965);
  const widths = { "width-m": [48, 96, 192, 384, 480, 480], "width-l": [64, 128, 256, 512, 640, 640] };
  for (const [name, features] of Object.entries(widths)) {
    const { features: found, blocks } = networkPreset(name);
    assert.deepEqual([found, blocks], [features, BLOCKS]);
    const { graph } = unet(networkPreset(name));
    assert.equal(
      shapes(graph)["encoder.stages.5.blocks.5.conv2.conv.weight"],
      `${features[5]},${features[5]},3,3,3`,
    );
    assert.equal(graph.parameters.length, 264);
  }
  // convolution weights grow with the square of the width
  assert.ok(Math.abs(count("width-l") / count("resenc-l") - 4) < 0.01);
  assert.ok(Math.abs(count("width-m") / count("resenc-l") - 2.25) < 0.01);
  const depths = { "depth-m": [1, 4, 6, 8, 8, 8], "depth-l": [2, 5, 6, 10, 10, 12] };
  for (const [name, blocks] of Object.entries(depths)) {
    assert.deepEqual(networkPreset(name).features, FEATURES);
    // one block more at a stage of width F is two convolutions with bias, gamma and beta
    const more = blocks.reduce((sum, n, stage) => {
      const f = FEATURES[stage];
      return sum + (n - BLOCKS[stage]) * 2 * (27 * f * f + 3 * f);
    }, 0);
    assert.equal(count(name), 102_348_965 + more);
  }
});

Deno.test("resEncUNet() without skips decodes the bottleneck alone and has one head", () => {
  const { graph, outputs, features } = unet(networkPreset("resenc-l-noskip"));
  const found = shapes(graph);
  assert.equal(found["decoder.stages.0.convs.0.conv.weight"], "320,320,3,3,3");
  assert.equal(found["decoder.stages.4.convs.0.conv.weight"], "32,32,3,3,3");
  assert.deepEqual(Object.keys(found).filter((k) => k.includes("seg_layers")), [
    "decoder.seg_layers.0.weight",
    "decoder.seg_layers.0.bias",
  ]);
  assert.equal(found["decoder.seg_layers.0.weight"], "1,32,1,1,1");
  assert.deepEqual(outputs.map((v) => v.spec.shape.join()), ["1,1,32,32,32"]);
  assert.deepEqual(features.map((v) => v.spec.shape.join()), [
    "1,320,2,2,2",
    "1,256,4,4,4",
    "1,128,8,8,8",
    "1,64,16,16,16",
    "1,32,32,32,32",
  ]);
});

Deno.test("resEncUNet() plain has two conv blocks a stage, no stem, the published first key", () => {
  const { graph } = unet(networkPreset("plain"));
  const found = shapes(graph);
  assert.equal(found["encoder.stages.0.0.convs.0.conv.weight"], "32,1,3,3,3");
  assert.equal(found["encoder.stages.0.0.convs.1.conv.weight"], "32,32,3,3,3");
  assert.equal(found["encoder.stages.3.0.convs.0.conv.weight"], "256,128,3,3,3");
  assert.equal(found["decoder.stages.0.convs.1.conv.weight"], "320,320,3,3,3");
  assert.ok(!Object.keys(found).some((k) => k.includes("stem") || k.includes("skip")));
  // 12 encoder and 10 decoder conv blocks of four tensors, 5 transposed convolutions and 5 heads of two
  assert.equal(graph.parameters.length, 4 * 22 + 2 * 10);
});

Deno.test("resEncUNet() with deep supervision gives an output a level, finest first, and no further parameters", () => {
  const supervised = unet(networkPreset("resenc-l", { deepSupervision: true, outputChannels: 3 }));
  assert.deepEqual(supervised.outputs.map((v) => v.spec.shape.join()), [
    "1,3,32,32,32",
    "1,3,16,16,16",
    "1,3,8,8,8",
    "1,3,4,4,4",
    "1,3,2,2,2",
  ]);
  assert.deepEqual(shapes(supervised.graph), publishedTensors(1, 3));
});

Deno.test("resEncUNet() follows anisotropic strides and kernels", () => {
  const config = networkPreset("tiny", {
    features: [4, 6, 8],
    kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
  });
  const graph = new Graph();
  const image = graph.input("image", tensor([2, 1, 6, 12, 8]));
  const { skips, outputs } = resEncUNet(new Scope(graph), image, config);
  assert.deepEqual(skips.map((v) => v.spec.shape.join()), ["2,4,6,12,8", "2,6,6,6,4", "2,8,3,3,2"]);
  assert.deepEqual(outputs[0].spec.shape, [2, 1, 6, 12, 8]);
  const found = shapes(graph);
  assert.equal(found["encoder.stem.convs.0.conv.weight"], "4,1,1,3,3");
  assert.equal(found["decoder.transpconvs.0.weight"], "8,6,2,2,2");
  assert.equal(found["decoder.transpconvs.1.weight"], "6,4,1,2,2");
  assert.equal(found["decoder.stages.1.convs.0.conv.weight"], "4,8,1,3,3");
});
