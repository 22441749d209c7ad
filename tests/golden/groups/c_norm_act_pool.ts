/** Instance norm, LeakyReLU and average pooling, forward and gradients, against recorded values. */
import type { Graph, Value } from "../../../kernels/graph/graph.ts";
import { instanceNorm } from "../../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../../kernels/ops/leaky_relu/op.ts";
import { maxPool3d } from "../../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../../kernels/ops/pool/op.ts";
import { compareOutputs, dims3, eachCase, recorded, requireAttribute, runCall } from "../gpu.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

/** Compares every recorded norm, activation and pooling. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    const { grad_output, ...refs } = c.inputs;
    const results = await runCall({
      inputs: Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, recorded(group, ref)])),
      gradOutput: recorded(group, grad_output),
      build: (graph, inputs) => build(graph, c, inputs),
    });
    compareOutputs(check, c, results);
  });
}

function build(graph: Graph, c: GoldenCase, inputs: Readonly<Record<string, Value>>): Value {
  switch (c.op) {
    case "instance_norm3d": {
      const affine = "weight" in inputs;
      return graph.apply(instanceNorm, affine ? [inputs.x, inputs.weight, inputs.bias] : [inputs.x], {
        eps: Number(c.attributes.eps),
        affine,
        residual: false,
        masked: false,
        slope: 1,
      })[0];
    }
    case "leaky_relu":
      return graph.apply(leakyRelu, [inputs.x], { slope: Number(c.attributes.negative_slope) })[0];
    case "avg_pool3d":
    case "max_pool3d": {
      const stride = dims3(c.attributes.stride, "stride");
      requireAttribute(c, "kernel", stride);
      requireAttribute(c, "padding", 0);
      requireAttribute(c, "ceil_mode", false);
      return graph.apply(c.op === "avg_pool3d" ? avgPool3d : maxPool3d, [inputs.x], { stride })[0];
    }
    default:
      throw new Error(`unknown op ${c.op}`);
  }
}
