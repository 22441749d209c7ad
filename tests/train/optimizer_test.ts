import assert from "node:assert/strict";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { MAX_CLIP_INPUTS } from "../../kernels/ops/optimizer/clip.ts";
import { tensor } from "../../kernels/spec.ts";
import { addOptimizer, STATE_PREFIXES, stepScalars } from "../../train/optimizer.ts";
import { PretrainSession } from "../../train/session.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { sameBytes, tinyConfig, wavePatch } from "./tiny_run.ts";

const sgd = { kind: "sgd", lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 } as const;
const adamw = { kind: "adamw", lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1 } as const;

/** A graph whose loss is the mean square of every parameter, summed. */
function squares(
  sizes: readonly number[],
  optimizer: typeof sgd | typeof adamw,
  decayOnly: readonly number[] = [],
) {
  const graph = new Graph();
  const zero = sizes.map((n, i) => graph.input(`zero${i}`, tensor([1, 1, 1, 1, n])));
  const parameters = sizes.map((n, i) => graph.parameter(`p${i}`, tensor([1, 1, 1, 1, n]), { kind: "ones" }));
  const trained = parameters.filter((_, i) => !decayOnly.includes(i));
  const [seed] = graph.apply(fill, [], { shape: [1], value: 1 });
  const gradients = new Map<Value, Value>();
  for (const p of trained) {
    const [loss] = graph.apply(reconstructionError, [p, zero[parameters.indexOf(p)]], {
      power: 2,
      region: "all",
    });
    const found = differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: [p], add });
    gradients.set(p, found.get(p)!);
  }
  const nodes = addOptimizer(graph, parameters, {
    optimizer,
    clipNorm: 1,
    gradients,
    decayOnly: decayOnly.map((i) => parameters[i]),
    share: 1,
    scalars: graph.input("scalars", tensor([4])),
  });
  return { graph, parameters, ...nodes };
}

Deno.test("stepScalars() gives learning rate, Adam's bias corrections from step 0 on, metrics row", () => {
  assertAllClose(stepScalars(sgd, 0.25, 17, 3), [0.25, 1, 1, 3], { atol: 0, rtol: 0 });
  assertAllClose(stepScalars(adamw, 0.5, 0, 7), [0.5, 1 - 0.9, 1 - 0.999, 7], { atol: 0, rtol: 1e-6 });
  const late = stepScalars(adamw, 0.5, 9, 0);
  assertAllClose(late, [0.5, 1 - 0.9 ** 10, 1 - 0.999 ** 10, 0], { atol: 0, rtol: 1e-6 });
});

Deno.test("addOptimizer() packs parameters, gradients and states into equal segments of at most 128 MiB", () => {
  const million = 2 ** 20;
  for (const optimizer of [sgd, adamw]) {
    const { graph, parameters, updated } = squares(
      [20 * million, 20 * million, million, 40 * million],
      optimizer,
    );
    const prefixes = STATE_PREFIXES[optimizer.kind];
    // 80 MiB alone, 80 + 4 MiB, and 160 MiB, which does not fit and so has a segment of its own
    const members = [[0], [1, 2], [3]].map((group) => group.map((i) => parameters[i].name));
    const found = (prefix: string) =>
      graph.segments.filter((s) => s.value.name.startsWith(`${prefix}.`)).map((s) =>
        s.members.map((m) => m.value.name)
      );
    assert.deepEqual(found("parameters"), members);
    assert.deepEqual(found("gradients"), members.map((g) => g.map((n) => `gradient:${n}`)));
    for (const s of prefixes) assert.deepEqual(found(s), members.map((g) => g.map((n) => `${s}:${n}`)));
    for (const [i, { value, members }] of graph.segments.entries()) {
      const first = graph.segments[Math.floor(i / (2 + prefixes.length)) * (2 + prefixes.length)];
      assert.deepEqual(value.spec.shape, first.value.spec.shape);
      assert.deepEqual(members.map((m) => m.offset), first.members.map((m) => m.offset));
    }
    assert.equal(updated.length, 3 * (1 + prefixes.length));
  }
});

Deno.test("addOptimizer() joins the norms of more segments than one dispatch takes", () => {
  const { graph, accumulated, updated, clip } = squares(new Array(8).fill(2 ** 25), sgd);
  assert.equal(graph.segments.filter((s) => s.value.name.startsWith("parameters.")).length, 8);
  assert.equal(clip.producer!.inputs.length, MAX_CLIP_INPUTS);
  const sums = graph.nodes.filter((n) => n.op.name === "sumSquares").map((n) => n.outputs[0]);
  const reached = new Set<Value>();
  const visit = (value: Value): void => {
    if (sums.includes(value)) return void reached.add(value);
    assert.ok(["clipScale", "add"].includes(value.producer!.op.name));
    value.producer!.inputs.forEach(visit);
  };
  visit(clip);
  assert.equal(reached.size, 8, "every segment takes part in the norm");
  const device = { ...plainDevice, maxBinding: 2 ** 31, maxBuffer: 2 ** 31 };
  verifyPlan(compile(graph, { device, phases: { micro: accumulated, update: updated } }), device);
});

Deno.test("addOptimizer() leaves parameters without a gradient out, but not those that only decay", () => {
  const { graph, accumulated } = squares([4, 8, 12], adamw, [1]);
  assert.equal(accumulated.length, 2);
  const [segment] = graph.segments;
  assert.deepEqual(segment.members.map((m) => m.value.name), ["p0", "p1", "p2"]);
  const outside = new Graph();
  const [p, q] = ["p", "q"].map((n) => outside.parameter(n, tensor([4]), { kind: "ones" }));
  addOptimizer(outside, [p, q], {
    optimizer: sgd,
    clipNorm: null,
    gradients: new Map([[p, outside.input("g", tensor([4]))]]),
    decayOnly: [],
    share: 1,
    scalars: outside.input("scalars", tensor([4])),
  });
  assert.deepEqual(outside.segments[0].members.map((m) => m.value.name), ["p"]);
  assert.ok(!outside.values.some((v) => v.name === "velocity:q"));
});

for (const optimizer of [sgd, adamw]) {
  gpuTest(
    `a step with ${optimizer.kind} decays tokens without gradient and leaves unused heads alone`,
    async () => {
      // blocks of one voxel: the level below is coarser than the mask, so its token gets no gradient
      const config = tinyConfig({
        optimizer,
        mask: { block: 1 },
        patch: [8, 8, 8],
        network: { features: [4, 6, 6], blocks: [1, 1, 1] },
      });
      using session = await PretrainSession.create(config, "auto");
      session.initialise();
      const before = await session.exportState();
      const lr = 0.1;
      for (const step of [0, 1]) session.trainStep(step, lr, [wavePatch(config, step)]);
      const after = await session.exportState();
      const moved = (name: string) => !sameBytes(before.get(name)!.data, after.get(name)!.data);
      assert.ok(moved("encoder.stem.convs.0.conv.weight"));
      assert.ok(moved("decoder.seg_layers.1.weight"));
      assert.ok(moved("mask_tokens.0"));
      for (const head of ["decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"]) {
        assert.ok(!moved(head), head);
        assert.ok(!after.has(`${STATE_PREFIXES[optimizer.kind][0]}:${head}`));
      }
      for (const token of ["mask_tokens.1", "mask_tokens.2"]) {
        const wanted = before.get(token)!.data.map((start) => {
          let [w, v] = [start, 0];
          for (let step = 0; step < 2; step++) {
            if (optimizer.kind === "adamw") w *= 1 - lr * optimizer.weightDecay;
            else {
              const g = optimizer.weightDecay * w;
              v = optimizer.momentum * v + g;
              w -= lr * (g + optimizer.momentum * v);
            }
          }
          return w;
        });
        assert.ok(moved(token), token);
        assertAllClose(after.get(token)!.data, wanted, { atol: 1e-9, rtol: 1e-6 }, token);
      }
    },
  );
}
