import assert from "node:assert/strict";
import { Graph, Scope } from "../../../kernels/graph/graph.ts";
import { type Dims3, tensor } from "../../../kernels/spec.ts";
import { NETWORK_PRESETS } from "../../../model/config.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { architecturePlan } from "../../../train/architecture_plan.ts";
import { networkFromPlan } from "../../../train/finetune/network_from_plan.ts";
import { planOfNetwork } from "./plan_of_network.ts";

/** A network whose first two stages are flat: kernels 1x3x3, no stride along the first axis. */
const flat = {
  ...NETWORK_PRESETS["tiny"],
  kernels: [[1, 3, 3], [1, 3, 3], [3, 3, 3]] as Dims3[],
  strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]] as Dims3[],
};

for (const encoder of ["residual", "plain"] as const) {
  Deno.test(`networkFromPlan() builds a ${encoder} U-Net with the plan's kernels and strides`, () => {
    const { "3d_fullres": plan } = planOfNetwork({ ...flat, encoder }, [4, 8, 8]).configurations;
    const network = networkFromPlan(plan, 3, 5, true);
    assert.equal(network.encoder, encoder);
    const graph = new Graph();
    const { outputs } = resEncUNet(new Scope(graph), graph.input("x", tensor([1, 3, 4, 8, 8])), network);
    assert.deepEqual(outputs.map(({ spec }) => spec.shape), [[1, 5, 4, 8, 8], [1, 5, 4, 4, 4]]);
    const stem = encoder === "residual" ? "encoder.stem.convs.0" : "encoder.stages.0.0.convs.0";
    const shapes = new Map(graph.parameters.map(({ name, spec }) => [name, spec.shape]));
    assert.deepEqual(shapes.get(`${stem}.conv.weight`), [4, 3, 1, 3, 3]);
    assert.deepEqual(shapes.get("decoder.transpconvs.1.weight"), [8, 4, 1, 2, 2]);
    assert.deepEqual(
      graph.parameters.find(({ name }) => name === `${stem}.conv.bias`)!.init,
      { kind: "zeros" },
      "weights start as nnU-Net's do",
    );
  });
}

Deno.test("networkFromPlan() of the plan of ResEnc-L is that network", () => {
  const { "3d_fullres": plan } = planOfNetwork(NETWORK_PRESETS["resenc-l"], [160, 160, 160]).configurations;
  const network = networkFromPlan(plan, 1, 1, false);
  assert.deepEqual(network, { ...NETWORK_PRESETS["resenc-l"], init: "he" });
});

Deno.test("networkFromPlan() refuses strides that no convolution here has", () => {
  const strides = [[1, 1, 1], [3, 3, 3], [2, 2, 2]] as Dims3[];
  const architecture = architecturePlan({ ...flat, strides });
  assert.throws(() => networkFromPlan({ architecture }, 1, 2, false), {
    name: "ConfigError",
    message: /network\.strides\[1\] is \[3,3,3\], wanted 1 or 2 per axis/,
  });
});
