import assert from "node:assert/strict";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { networkPreset } from "../../model/config.ts";
import { blockTableRow } from "../../kernels/ops/blocks/table.ts";
import { type MaeConfig, type MaeKind, maskedAutoencoder } from "../../model/mae.ts";
import { declareVisibleBlocks, type EncoderLayout } from "../../model/masking.ts";
import { fc } from "../deps.ts";
import { gpuTest } from "../support/gpu.ts";
import { noise } from "../support/ops.ts";
import { movedParameters } from "./network_case.ts";

const PATCH = [8, 8, 8] as const;
const GRID = [2, 2, 2] as const;
const BLOCKS = { grid: GRID, kept: 8 };
const network = networkPreset("tiny", { features: [4, 6, 6] });

/** A network on the device whose reconstruction and gradients (of a fixed weighting of it) can be computed again and again. */
class Probe implements Disposable {
  private constructor(readonly executor: Executor) {}

  static async create(gpu: Gpu, config: MaeConfig, layout: EncoderLayout): Promise<Probe> {
    const graph = new Graph();
    const image = graph.input("image", tensor([1, 1, ...PATCH]));
    const mask = declareVisibleBlocks(graph, layout, 1, BLOCKS);
    const { reconstruction, decayOnly } = maskedAutoencoder(new Scope(graph), image, mask, config);
    const weighting = graph.input("weighting", reconstruction.spec);
    const wrt = graph.parameters.filter((p) => !decayOnly.includes(p));
    const gradients = differentiate(graph, { seeds: new Map([[reconstruction, weighting]]), wrt, add });
    graph.output("reconstruction", reconstruction);
    // all gradients in one buffer, for every read-back stalls
    const sums = [...gradients].map(([p, g]) =>
      [graph.accumulator(`gradient:${p.name}`, p.spec), g] as const
    );
    graph.pack("gradients", sums.map(([sum]) => sum));
    const added = sums.map(([sum, g]) => graph.apply(accumulate, [sum, g], { scale: 1 })[0]);
    const phases = { run: [reconstruction, ...added] };
    const plan = compile(graph, { device: gpu.facts, phases });
    const executor = await Executor.create(gpu, plan);
    for (const [p, data] of movedParameters(graph)) executor.write(p.name, data);
    executor.write("weighting", noise(elementCount(reconstruction.spec.shape), 8));
    return new Probe(executor);
  }

  async run(image: Float32Array<ArrayBuffer>, mask: Float32Array<ArrayBuffer>) {
    this.executor.write("image", image);
    if (this.executor.plan.named.table) this.executor.write("table", blockTableRow(mask, BLOCKS));
    else this.executor.write("mask", mask);
    this.executor.clearAccumulators();
    this.executor.run("run");
    return {
      reconstruction: await this.executor.read("reconstruction"),
      gradients: await this.executor.read("gradients"),
    };
  }

  [Symbol.dispose](): void {
    this.executor[Symbol.dispose]();
  }
}

function sameBytes(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((v, i) => Object.is(v, b[i]));
}

/** The image with other values in hidden blocks. */
function changeHidden(
  image: Float32Array<ArrayBuffer>,
  mask: ArrayLike<number>,
  seed: number,
): Float32Array<ArrayBuffer> {
  const other = noise(image.length, seed);
  const [, h, w] = PATCH;
  return image.map((v, i) => {
    const [z, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    const cell = (Math.floor(z / 4) * GRID[1] + Math.floor(y / 4)) * GRID[2] + Math.floor(x / 4);
    return mask[cell] === 1 ? v : 10 * other[i];
  }) as Float32Array<ArrayBuffer>;
}

/** Masks of the 8 cells with at least one visible and one hidden. */
const masks = fc.integer({ min: 1, max: 254 })
  .map((bits) => Float32Array.from({ length: 8 }, (_, i) => (bits >> i) & 1));

const kinds: readonly (readonly [MaeKind, EncoderLayout])[] = [
  ["s3d", "dense-masked"],
  ["s3d-no-token", "dense-masked"],
  ["s3d-efficient", "dense-masked"],
  ["mae", "dense-masked"],
  ["s3d", "blocks"],
  ["s3d-efficient", "blocks"],
];
for (const [kind, layout] of kinds) {
  gpuTest(
    `maskedAutoencoder() ${kind}, ${layout}: hidden voxels change neither the reconstruction nor any gradient`,
    async (gpu) => {
      using probe = await Probe.create(gpu, { kind, network, leakyStem: false }, layout);
      await fc.assert(
        fc.asyncProperty(masks, fc.nat(1000), async (mask, seed) => {
          const image = noise(512, seed);
          const before = await probe.run(image, mask);
          const after = await probe.run(changeHidden(image, mask, seed + 1), mask);
          assert.ok(before.reconstruction.every(Number.isFinite));
          assert.ok(sameBytes(before.reconstruction, after.reconstruction), "the reconstruction changed");
          assert.ok(before.gradients.some((g) => g !== 0) && before.gradients.every(Number.isFinite));
          assert.ok(sameBytes(before.gradients, after.gradients), "a gradient changed");
        }),
        { numRuns: 5, seed: 1 },
      );
    },
  );
}

gpuTest(
  "maskedAutoencoder() with a leaky stem sees the rim of hidden blocks, not their inside",
  async (gpu) => {
    for (const layout of ["dense-masked", "blocks"] as const) {
      using probe = await Probe.create(gpu, { kind: "s3d", network, leakyStem: true }, layout);
      const mask = Float32Array.of(1, 0, 1, 1, 1, 1, 1, 1); // the hidden block is z 0-3, y 0-3, x 4-7
      const image = noise(512, 5);
      const at = (z: number, y: number, x: number) => (z * 8 + y) * 8 + x;
      const change = (...voxels: number[]) =>
        image.map((v, i) => voxels.includes(i) ? v + 5 : v) as Float32Array<ArrayBuffer>;
      const before = await probe.run(image, mask);
      const rim = await probe.run(change(at(1, 1, 4)), mask);
      assert.ok(!sameBytes(before.reconstruction, rim.reconstruction), "the rim has no effect");
      const inside = await probe.run(change(at(1, 1, 6), at(0, 0, 7), at(2, 2, 5)), mask);
      assert.ok(sameBytes(before.reconstruction, inside.reconstruction), "the inside has an effect");
    }
  },
);

gpuTest(
  "maskedAutoencoder() twice in one graph: each has its own parameters, equal weights give equal results",
  async (gpu) => {
    const graph = new Graph();
    const image = graph.input("image", tensor([1, 1, ...PATCH]));
    const mask = graph.input("mask", tensor([1, 1, ...GRID]));
    const config = { kind: "s3d", network, leakyStem: false } as const;
    const results = ["student", "teacher"].map((name) => {
      const { reconstruction } = maskedAutoencoder(new Scope(graph, name), image, mask, config);
      graph.output(`${name}:reconstruction`, reconstruction);
      return reconstruction;
    });
    const half = graph.parameters.length / 2;
    const names = graph.parameters.map((p) => p.name);
    assert.ok(names.slice(0, half).every((n) => n.startsWith("student.")));
    assert.deepEqual(names.slice(half), names.slice(0, half).map((n) => n.replace("student.", "teacher.")));
    using executor = await Executor.create(
      gpu,
      compile(graph, { device: gpu.facts, phases: { run: results } }),
    );
    const values = [...movedParameters(graph).values()];
    graph.parameters.forEach((p, i) => executor.write(p.name, values[i % half]));
    executor.write("image", noise(512, 1));
    executor.write("mask", Float32Array.of(1, 0, 0, 1, 0, 1, 0, 0));
    const reconstructions = async () => {
      executor.run("run");
      return [await executor.read("student:reconstruction"), await executor.read("teacher:reconstruction")];
    };
    const [student, teacher] = await reconstructions();
    assert.ok(student.some((v) => v !== 0) && sameBytes(student, teacher));
    const head = graph.find("teacher.decoder.seg_layers.1.bias");
    executor.write(head.name, Float32Array.of(values[graph.parameters.indexOf(head) % half][0] + 1));
    const [untouched, moved] = await reconstructions();
    assert.ok(sameBytes(untouched, student));
    assert.ok(moved.every((v, i) => Math.abs(v - teacher[i] - 1) < 1e-5));
  },
);
