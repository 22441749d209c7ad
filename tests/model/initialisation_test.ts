import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { type InitScheme, networkPreset } from "../../model/config.ts";
import { maskedAutoencoder } from "../../model/mae.ts";
import { initialValues } from "../../model/parameters.ts";
import { largest } from "./network_case.ts";

/** Starting values of an S3D network of moderate width, with the shape of every tensor. */
function startingValues(init: InitScheme) {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, 1, 16, 16, 16]));
  const mask = graph.input("mask", tensor([1, 1, 4, 4, 4]));
  maskedAutoencoder(new Scope(graph), image, mask, {
    kind: "s3d",
    network: networkPreset("tiny", { features: [16, 32, 48], init }),
    leakyStem: false,
  });
  return new Map(graph.parameters.map((p, i) => {
    const values = initialValues(p.init!, p.spec.shape, hashRandom(11, i));
    assert.equal(values.length, elementCount(p.spec.shape), p.name);
    return [p.name, { shape: p.spec.shape, values }];
  }));
}

function moments(values: Float32Array) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance) };
}

/** fan_in of a convolution: shape[1] x kernel volume, which for a transposed convolution counts output channels. */
const fanIn = (shape: readonly number[]) => shape.slice(1).reduce((product, n) => product * n, 1);

Deno.test("PyTorch's start: weights and biases uniform within 1 / sqrt(fan_in), gamma 1, beta 0", () => {
  const all = startingValues("pytorch");
  let weights = 0;
  for (const [name, { shape, values }] of all) {
    if (name.startsWith("mask_tokens")) continue;
    if (/norm\.weight$/.test(name)) assert.ok(values.every((v) => v === 1), name);
    else if (/norm\.bias$/.test(name)) assert.ok(values.every((v) => v === 0), name);
    else {
      const weight = name.endsWith(".weight") ? shape : all.get(name.replace(/bias$/, "weight"))!.shape;
      const bound = 1 / Math.sqrt(fanIn(weight));
      assert.ok(largest(values) <= bound * (1 + 1e-6), `${name}: ${largest(values)} above ${bound}`);
      if (values.length < 400) continue;
      weights++;
      const { mean, std } = moments(values);
      const error = bound / Math.sqrt(3 * values.length); // standard error of the mean of U(-b, b)
      assert.ok(largest(values) > 0.95 * bound, `${name}: ${largest(values)} far below ${bound}`);
      assert.ok(Math.abs(mean) < 5 * error, `${name}: mean ${mean}`);
      assert.ok(Math.abs(std / (bound / Math.sqrt(3)) - 1) < 0.06, `${name}: std ${std}`);
    }
  }
  assert.ok(weights > 10);
  // the transposed convolution's fan_in counts its output channels: 16 x 2 x 2 x 2
  const up = all.get("decoder.transpconvs.1.weight")!;
  assert.deepEqual(up.shape, [32, 16, 2, 2, 2]);
  assert.ok(largest(up.values) > 0.95 / Math.sqrt(16 * 8));
});

Deno.test("He start: normal weights, zero biases, silent residual branches, densification as PyTorch's", () => {
  const all = startingValues("he");
  for (const [name, { shape, values }] of all) {
    if (/^densify_projs/.test(name)) {
      assert.ok(largest(values) > 0 && largest(values) <= 1 / Math.sqrt(27 * shape[0]) * (1 + 1e-6), name);
    } else if (/conv2\.norm\.(weight|bias)$/.test(name)) assert.ok(values.every((v) => v === 0), name);
    else if (/norm\.weight$/.test(name)) assert.ok(values.every((v) => v === 1), name);
    else if (/(conv|transpconvs\.\d|seg_layers\.\d|norm)\.bias$/.test(name)) {
      assert.ok(values.every((v) => v === 0), name);
    } else if (!name.startsWith("mask_tokens") && values.length >= 2000) {
      const { mean, std } = moments(values);
      const wanted = Math.sqrt(2 / (1 + 0.01 ** 2) / fanIn(shape));
      assert.ok(Math.abs(std / wanted - 1) < 0.06, `${name}: std ${std}, wanted ${wanted}`);
      assert.ok(Math.abs(mean) < 5 * wanted / Math.sqrt(values.length), `${name}: mean ${mean}`);
      assert.ok(largest(values) > 2.5 * wanted, `${name}: no normal tails`);
    }
  }
});

Deno.test("mask tokens start as a normal of 0.02 cut at +-0.02", () => {
  const draws = initialValues(
    { kind: "truncatedNormal", std: 0.02, limit: 0.02 },
    [1, 20_000, 1, 1, 1],
    hashRandom(4),
  );
  assert.ok(largest(draws) <= 0.02);
  assert.ok(largest(draws) > 0.0199);
  const { mean, std } = moments(draws);
  // standard deviation of a standard normal cut at one sigma: sqrt(1 - 2 phi(1) / (2 Phi(1) - 1)) = 0.5396
  assert.ok(Math.abs(mean) < 4e-4 && Math.abs(std / 0.02 - 0.5396) < 0.01, `mean ${mean}, std ${std / 0.02}`);
  for (const [name, { values }] of startingValues("he")) {
    if (name.startsWith("mask_tokens")) assert.ok(largest(values) <= 0.02 && largest(values) > 0, name);
  }
});

Deno.test("initialValues() does not depend on other tensors: the same stream gives the same values", () => {
  const init = { kind: "uniform", bound: 0.5 } as const;
  const once = initialValues(init, [7, 3], hashRandom(1, 2));
  assert.deepEqual([...initialValues(init, [7, 3], hashRandom(1, 2))], [...once]);
  assert.notDeepEqual([...initialValues(init, [7, 3], hashRandom(1, 3))], [...once]);
  assert.ok(initialValues({ kind: "ones" }, [4], hashRandom(0)).every((v) => v === 1));
  assert.ok(initialValues({ kind: "zeros" }, [4], hashRandom(0)).every((v) => v === 0));
});
