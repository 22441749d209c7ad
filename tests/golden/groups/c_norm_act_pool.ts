/** Instance norm, LeakyReLU and average pooling, forward and gradients, against recorded values. */
import type { Graph, Value } from "../../../kernels/graph/graph.ts";
import { instanceNorm } from "../../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../../kernels/ops/leaky_relu/op.ts";
import { maxPool3d } from "../../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../../kernels/ops/pool/op.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { compareOutputs, dims3, eachCase, recorded, requireAttribute, runCall } from "../gpu.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

/** Compares every recorded norm, activation and pooling. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    const build = OPS[c.op];
    if (!build) throw new Error(`unknown op ${c.op}`);
    const { grad_output, ...refs } = c.inputs;
    const results = await runCall({
      inputs: Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, recorded(group, ref)])),
      gradOutput: recorded(group, grad_output),
      build: (graph, inputs) => build(graph, c, inputs),
    });
    compareOutputs(check, c, results);
  });
}

type Build = (graph: Graph, c: GoldenCase, inputs: Readonly<Record<string, Value>>) => Value;

const OPS: Readonly<Record<string, Build>> = {
  instance_norm3d: (graph, c, { x, weight, bias }) => {
    const affine = weight !== undefined;
    return graph.apply(instanceNorm, affine ? [x, weight, bias] : [x], {
      eps: Number(c.attributes.eps),
      affine,
      residual: false,
      masked: false,
      slope: 1,
    })[0];
  },
  leaky_relu: (graph, c, { x }) =>
    graph.apply(leakyRelu, [x], { slope: Number(c.attributes.negative_slope) })[0],
  avg_pool3d: (graph, c, { x }) => graph.apply(avgPool3d, [x], { stride: poolStride(c) })[0],
  max_pool3d: (graph, c, { x }) => graph.apply(maxPool3d, [x], { stride: poolStride(c) })[0],
};

function poolStride(c: GoldenCase): Dims3 {
  const stride = dims3(c.attributes.stride, "stride");
  requireAttribute(c, "kernel", stride);
  requireAttribute(c, "padding", 0);
  requireAttribute(c, "ceil_mode", false);
  return stride;
}
