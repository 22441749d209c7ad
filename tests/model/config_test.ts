import assert from "node:assert/strict";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { tensor } from "../../kernels/spec.ts";
import {
  checkPatch,
  ConfigError,
  downsampling,
  NETWORK_PRESETS,
  type NetworkConfig,
  networkPreset,
  validateNetwork,
} from "../../model/config.ts";
import { maskedAutoencoder } from "../../model/mae.ts";
import { resEncUNet } from "../../model/unet.ts";

const tiny = networkPreset("tiny");

/** A wrong field, the path of the error and what it must say. */
const BAD: [Partial<NetworkConfig>, string, RegExp][] = [
  [{ features: [4], kernels: [[3, 3, 3]] }, "network.features", /is \[4\], wanted at least 2 stages/],
  [{ features: [4, 0, 8] }, "network.features", /is \[4,0,8\], wanted positive integers/],
  [{ features: [4, 8.5, 8] }, "network.features", /wanted positive integers/],
  [{ kernels: [[3, 3, 3]] }, "network.kernels", /is \[\[3,3,3\]\], wanted 3 entries/],
  [{ kernels: [[3, 3, 3], [3, 2, 3], [3, 3, 3]] }, "network.kernels[1]", /is \[3,2,3\], wanted odd extents/],
  [{ strides: [[1, 1, 1], [2, 2, 2]] }, "network.strides", /wanted 3 entries/],
  [
    { strides: [[1, 1, 1], [2, 2, 2], [3, 2, 2]] },
    "network.strides[2]",
    /is \[3,2,2\], wanted 1 or 2 per axis/,
  ],
  [{ blocks: [1, 1] }, "network.blocks", /wanted 3 entries/],
  [{ blocks: [1, 0, 1] }, "network.blocks", /wanted positive integers/],
  [{ decoderConvs: [1, 1, 1] }, "network.decoderConvs", /is \[1,1,1\], wanted 2 entries/],
  [{ decoderConvs: [1, -1] }, "network.decoderConvs", /wanted positive integers/],
  [{ inputChannels: 0 }, "network.inputChannels", /is 0, wanted a positive integer/],
  [{ outputChannels: 1.5 }, "network.outputChannels", /is 1.5, wanted a positive integer/],
];

for (const [change, path, text] of BAD) {
  Deno.test(`validateNetwork() refuses ${JSON.stringify(change)} and names ${path}`, () => {
    assert.throws(() => validateNetwork({ ...tiny, ...change }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.path, path);
      assert.match(error.message, text);
      assert.ok(error.message.startsWith(`Cannot build the network: ${path} is `), error.message);
      return true;
    });
  });
}

Deno.test("validateNetwork() accepts every preset", () => {
  for (const name of Object.keys(NETWORK_PRESETS)) validateNetwork(networkPreset(name));
});

Deno.test("networkPreset() names the known presets when the name is unknown", () => {
  assert.throws(() => networkPreset("resnet"), {
    name: "ConfigError",
    path: "network.preset",
    message: /^Cannot find network preset resnet: choose one of resenc-l, .*tiny, demo$/,
  });
});

Deno.test("networkPreset() adapts per-stage lists to another number of stages", () => {
  const longer = networkPreset("tiny", { features: [4, 8, 16, 32] });
  assert.deepEqual(longer.blocks, [1, 1, 1, 1]);
  assert.deepEqual(longer.strides, [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]]);
  assert.equal(longer.decoderConvs.length, 3);
  const shorter = networkPreset("resenc-l", { features: [8, 16] });
  assert.deepEqual([shorter.blocks, shorter.decoderConvs, shorter.kernels.length], [[1, 3], [1], 2]);
  assert.throws(() => networkPreset("tiny", { features: [4, 8], blocks: [1, 1, 1] }), {
    path: "network.blocks",
  });
});

Deno.test("downsampling() multiplies strides", () => {
  assert.deepEqual(downsampling(networkPreset("resenc-l")).at(-1), [32, 32, 32]);
  const strides = [[1, 1, 1], [1, 2, 2], [2, 2, 2]] as const;
  assert.deepEqual(downsampling({ ...tiny, strides }), [[1, 1, 1], [1, 2, 2], [2, 4, 4]]);
});

Deno.test("checkPatch() wants a multiple of the coarsest downsampling on every axis", () => {
  const resenc = networkPreset("resenc-l");
  checkPatch(resenc, [160, 32, 96]);
  const wanted = "Cannot use patch 160x100x96: axis 1 is 100, wanted a multiple of 32 for 6 stages";
  assert.throws(() => checkPatch(resenc, [160, 100, 96]), { message: wanted, path: "patch[1]" });
  assert.throws(() => checkPatch(tiny, [8, 8, 0]), /axis 2 is 0, wanted a multiple of 4 for 3 stages/);
  assert.throws(() => checkPatch(tiny, [8, 8, 4.5]), /axis 2 is 4.5/);
  const strides = [[1, 1, 1], [1, 2, 2], [1, 2, 2]] as const;
  checkPatch({ ...tiny, strides }, [3, 8, 4]);
  assert.throws(() => checkPatch({ ...tiny, strides }, [3, 6, 4]), /axis 1 is 6, wanted a multiple of 4/);
});

Deno.test("networks refuse a patch that does not fit, with the same words", () => {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, 1, 16, 16, 18]));
  const mask = graph.input("mask", tensor([1, 1, 4, 4, 3]));
  const wanted = /Cannot use patch 16x16x18: axis 2 is 18, wanted a multiple of 4 for 3 stages/;
  assert.throws(() => resEncUNet(new Scope(graph), image, tiny), wanted);
  const config = { kind: "s3d", network: tiny, leakyStem: false } as const;
  assert.throws(() => maskedAutoencoder(new Scope(graph, "b"), image, mask, config), wanted);
});

Deno.test("maskedAutoencoder() refuses a mask grid that does not divide the levels", () => {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, 1, 24, 24, 24]));
  const mask = graph.input("mask", tensor([1, 1, 5, 5, 5]));
  const config = { kind: "s3d", network: tiny, leakyStem: false } as const;
  assert.throws(() => maskedAutoencoder(new Scope(graph), image, mask, config), { name: "ShapeError" });
});
