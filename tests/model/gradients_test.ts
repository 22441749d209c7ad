import assert from "node:assert/strict";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, Scope, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { tensor } from "../../kernels/spec.ts";
import { type NetworkConfig, networkPreset } from "../../model/config.ts";
import type { MaeConfig, MaeKind } from "../../model/mae.ts";
import { resEncUNet } from "../../model/unet.ts";
import { gpuTest } from "../support/gpu.ts";
import { noise, runOnGpu } from "../support/ops.ts";
import { assertAllClose } from "../support/tolerance.ts";
import {
  autoencoderCase,
  type CaseSize,
  exact,
  type Feeds,
  largest,
  movedParameters,
} from "./network_case.ts";

/** Two stages: an identity and a projecting skip, one level of decoding. */
const network = networkPreset("tiny", { features: [3, 5], blocks: [2, 1] });
const config = (kind: MaeKind, changes: Partial<MaeConfig> = {}): MaeConfig => ({
  kind,
  network,
  leakyStem: false,
  ...changes,
});
const small: CaseSize = { batch: 2, patch: [4, 8, 6], block: [2, 4, 2] };

/**
 * Compares values on the GPU, in poisoned memory, with the float64 interpreter. The budget of each tensor is a share of its
 * largest entry, plus rounding of gradients that cancel (a bias before a norm has none).
 */
async function compare(
  gpu: Parameters<typeof runOnGpu>[0],
  graph: Graph,
  feeds: Feeds,
  targets: ReadonlyMap<string, Value>,
): Promise<void> {
  const unique = [...new Set(targets.values())];
  const wanted = interpret(graph, exact(feeds), unique);
  const found = await runOnGpu(gpu, graph, feeds, unique, { poison: true });
  const scale = Math.max(...unique.map((value) => largest(wanted.get(value)!)));
  for (const [name, value] of targets) {
    const reference = wanted.get(value)!;
    const tolerance = { atol: 1e-4 * largest(reference) + 2e-6 * scale, rtol: 0 };
    assertAllClose(found[unique.indexOf(value)], reference, tolerance, name);
  }
}

/** Forward and every gradient of a masked auto-encoder. */
async function compareAutoencoder(
  gpu: Parameters<typeof runOnGpu>[0],
  mae: MaeConfig,
  size: CaseSize,
  withoutGradient: readonly string[],
): Promise<void> {
  const c = autoencoderCase(mae, size);
  const absent = c.graph.parameters.map((p) => p.name).filter((name) => !c.gradients.has(name));
  assert.deepEqual(absent, withoutGradient);
  const targets = new Map([...c.gradients].map(([name, g]) => [`gradient of ${name}`, g]));
  await compare(gpu, c.graph, c.feeds, targets.set("reconstruction", c.reconstruction).set("loss", c.loss));
}

for (const layout of ["dense-masked", "blocks"] as const) {
  for (const kind of ["s3d", "s3d-no-token", "s3d-efficient", "mae"] as const) {
    gpuTest(
      `maskedAutoencoder() ${kind}, ${layout}: GPU equals the float64 interpreter, forward and every gradient`,
      (gpu) => compareAutoencoder(gpu, config(kind), { ...small, layout }, []),
    );
  }
}

gpuTest(
  "maskedAutoencoder() with blocks finer than the coarsest level: its token gets no gradient",
  async (gpu) => {
    for (const layout of ["dense-masked", "blocks"] as const) {
      const size: CaseSize = { batch: 1, patch: [4, 8, 8], block: [1, 1, 1], layout };
      assert.deepEqual(autoencoderCase(config("s3d"), size).decayOnly, ["mask_tokens.1"]);
      await compareAutoencoder(gpu, config("s3d"), size, ["mask_tokens.1"]);
    }
  },
);

gpuTest(
  "maskedAutoencoder() with a leaky stem: GPU equals the float64 interpreter",
  async (gpu) => {
    await compareAutoencoder(gpu, config("s3d", { leakyStem: true }), small, []);
    await compareAutoencoder(gpu, config("s3d", { leakyStem: true }), { ...small, layout: "blocks" }, []);
  },
);

/** Seeded gradients of every output of a U-Net. */
async function compareUNet(gpu: Parameters<typeof runOnGpu>[0], unet: NetworkConfig, shape: number[]) {
  const graph = new Graph();
  const image = graph.input("image", tensor(shape));
  const { outputs } = resEncUNet(new Scope(graph), image, unet);
  const seeds = new Map(outputs.map((y, i) => [y, graph.input(`seed${i}`, y.spec)]));
  const gradients = differentiate(graph, { seeds, wrt: graph.parameters, add });
  const feeds = movedParameters(graph);
  feeds.set(image, noise(shape.reduce((product, n) => product * n, 1), 1));
  let s = 40;
  for (const seed of seeds.values()) {
    feeds.set(seed, noise(seed.spec.shape.reduce((product, n) => product * n, 1), s++));
  }
  const targets = new Map([...gradients].map(([p, g]) => [`gradient of ${p.name}`, g]));
  outputs.forEach((y, i) => targets.set(`output ${i}`, y));
  await compare(gpu, graph, feeds, targets);
  return gradients;
}

gpuTest("resEncUNet() with deep supervision: every head's gradient equals the interpreter's", async (gpu) => {
  const unet = networkPreset("tiny", {
    features: [2, 3, 3],
    blocks: [1, 1, 1],
    inputChannels: 2,
    outputChannels: 3,
    deepSupervision: true,
  });
  const gradients = await compareUNet(gpu, unet, [1, 2, 4, 4, 8]);
  assert.ok([...gradients.keys()].some((p) => p.name === "decoder.seg_layers.0.weight"));
});

gpuTest("resEncUNet() with anisotropic strides and kernels: GPU equals the interpreter", async (gpu) => {
  const unet = networkPreset("tiny", {
    features: [2, 4, 4],
    blocks: [1, 1, 1],
    kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    strides: [[1, 1, 1], [1, 2, 2], [2, 2, 1]],
  });
  await compareUNet(gpu, unet, [1, 1, 4, 8, 6]);
});

gpuTest("resEncUNet() plain and without skips: GPU equals the interpreter", async (gpu) => {
  const sizes = { features: [2, 3], blocks: [2, 1] };
  await compareUNet(gpu, networkPreset("tiny", { ...sizes, encoder: "plain" }), [1, 1, 4, 6, 4]);
  await compareUNet(gpu, networkPreset("tiny", { ...sizes, skips: false }), [1, 1, 4, 6, 4]);
});

gpuTest("gradients of two samples alone, averaged, equal those of a batch of two", async (gpu) => {
  const both = autoencoderCase(config("s3d"), small);
  const alone = autoencoderCase(config("s3d"), { ...small, batch: 1 });
  const names = [...both.gradients.keys()];
  const gradientsOf = async (c: typeof both, feeds: Feeds) =>
    new Map(
      (await runOnGpu(gpu, c.graph, feeds, names.map((n) => c.gradients.get(n)!))).map((
        g,
        i,
      ) => [names[i], g]),
    );
  // both samples must hide as many voxels, otherwise the batch's mean is not the mean of the samples' means
  const mask = both.feeds.get(both.mask)!;
  const half = mask.length / 2;
  mask.set(mask.subarray(0, half).toReversed(), half);
  const batched = await gradientsOf(both, both.feeds);
  const parts: Map<string, Float32Array>[] = [];
  for (const sample of [0, 1]) {
    const feeds: Feeds = new Map(alone.feeds);
    for (const input of ["image", "mask"] as const) {
      const data = both.feeds.get(both[input])!;
      const n = data.length / 2;
      feeds.set(alone[input], data.slice(sample * n, (sample + 1) * n));
    }
    // a second compilation of the same graph would name its outputs twice
    const fresh = autoencoderCase(config("s3d"), { ...small, batch: 1 });
    const moved: Feeds = new Map([...feeds].map(([v, d]) => [fresh.graph.find(v.name), d]));
    parts.push(await gradientsOf(fresh, moved));
  }
  const scale = Math.max(...[...batched.values()].map(largest));
  for (const [name, wanted] of batched) {
    const mean = wanted.map((_, i) => (parts[0].get(name)![i] + parts[1].get(name)![i]) / 2);
    assertAllClose(mean, wanted, { atol: 1e-4 * largest(wanted) + 2e-6 * scale, rtol: 0 }, name);
  }
});
