import assert from "node:assert/strict";
import { PlanError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { conv3d, type Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import { type DeviceFacts, type Dims3, tensor, type Tile, type TuningTable } from "../../kernels/spec.ts";
import { plainDevice } from "../support/device_facts.ts";

const attrs: Conv3dAttrs = { kernel: [3, 3, 3], stride: [1, 1, 1], inputs: 1, bias: false };
const x = tensor([1, 8, 12, 12, 16]);
const w = tensor([8, 8, 3, 3, 3]);
const KEY = "forward k3x3x3 s1x1x1 p1x1x1 n1 8 f32 12x12x16 > 8 f32 12x12x16";

function lower(device: DeviceFacts, changes: { x?: typeof x; w?: typeof w; attrs?: Conv3dAttrs } = {}) {
  const [input, weight, a] = [changes.x ?? x, changes.w ?? w, changes.attrs ?? attrs];
  return conv3d.lower({
    inputs: [input, weight],
    outputs: conv3d.infer([input, weight], a),
    attrs: a,
    inPlace: [],
    accumulate: [],
    recompute: false,
    device,
  });
}

function tableOf(tile: Tile, adapter = plainDevice.adapter): TuningTable {
  return { adapter, runtime: "test", entries: { [KEY]: { ...tile, ms: 1, ruleMs: 2 } } };
}

/** WGSL of the convolution in a plan with or without a table. */
function gatherSource(tuning?: TuningTable): string {
  const graph = new Graph();
  const y = graph.apply(conv3d, [graph.input("x", x), graph.input("w", w)], attrs);
  const plan = compile(graph, { device: plainDevice, phases: { run: y }, tuning });
  return plan.sources[plan.phases.run.at(-1)!.source];
}

Deno.test("the key of a gather is stable and tells apart everything that a tile depends on", () => {
  assert.equal(lower(plainDevice).choice?.key, KEY);
  const others = [
    lower(plainDevice, { attrs: { ...attrs, stride: [2, 1, 1] } }),
    lower(plainDevice, { x: tensor([2, 8, 12, 12, 16]) }),
    lower({ ...plainDevice, f16: true }, { x: tensor([1, 8, 12, 12, 16], "f16") }),
    lower(plainDevice, { x: tensor([1, 8, 12, 16, 12]) }),
    lower(plainDevice, { w: tensor([16, 8, 3, 3, 3]) }),
    lower(plainDevice, { w: tensor([8, 8, 1, 3, 3]), attrs: { ...attrs, kernel: [1, 3, 3] } }),
  ].map((lowering) => lowering.choice!.key);
  assert.equal(new Set([KEY, ...others]).size, 1 + others.length, others.join("\n"));
});

Deno.test("candidates are distinct tiles, the rule's first", () => {
  for (const software of [false, true]) {
    const { tile, candidates } = lower({ ...plainDevice, software }).choice!;
    assert.deepEqual(tile, candidates[0]);
    assert.ok(candidates.length > 3, `${candidates.length} candidates`);
    assert.equal(new Set(candidates.map((c) => JSON.stringify(c))).size, candidates.length);
  }
});

Deno.test("a plan takes the tile of its tuning table, and the rule's where the table's does not fit", () => {
  const { tile: rule, candidates } = lower(plainDevice).choice!;
  const byRule = gatherSource();
  assert.equal(gatherSource(tableOf(rule)), byRule);
  for (const other of candidates.slice(1)) {
    const tuned = gatherSource(tableOf(other));
    assert.notEqual(tuned, byRule, JSON.stringify(other));
    const device = { ...plainDevice, tiles: tableOf(other).entries };
    assert.deepEqual(lower(device).choice?.tile, other);
    assert.equal(lower(device).kernels.at(-1)!.source, tuned);
  }
  const unfit: Tile[] = [
    { size: [64, 64, 64] as Dims3, quads: 1, blocks: 1 },
    { ...rule, quads: rule.quads + 5 },
    { ...rule, blocks: 8 },
  ];
  for (const tile of unfit) assert.equal(gatherSource(tableOf(tile)), byRule, JSON.stringify(tile));
});

Deno.test("compile() refuses the tuning table of another adapter", () => {
  const { tile } = lower(plainDevice).choice!;
  assert.throws(() => gatherSource(tableOf(tile, "another GPU")), (error) => {
    assert.ok(error instanceof PlanError);
    assert.match(error.message, /^Cannot use a tuning table of another GPU on imaginary: .*spark3d tune/);
    return true;
  });
});
