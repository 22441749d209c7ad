/** Transposed convolution with kernel = stride, forward and gradients, against recorded values. */
import { convTranspose3d } from "../../../kernels/ops/conv_transpose3d/op.ts";
import { compareOutputs, dims3, eachCase, recorded, requireAttribute, runCall } from "../gpu.ts";
import type { Checker, GoldenGroup } from "../support.ts";

/** Compares every recorded transposed convolution. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op !== "conv_transpose3d") throw new Error(`unknown op ${c.op}`);
    const stride = dims3(c.attributes.stride, "stride");
    requireAttribute(c, "kernel", stride);
    for (const name of ["padding", "output_padding"]) requireAttribute(c, name, [0, 0, 0]);
    const { grad_output, ...refs } = c.inputs;
    const bias = "bias" in refs;
    const results = await runCall({
      inputs: Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, recorded(group, ref)])),
      gradOutput: recorded(group, grad_output),
      build: (graph, { x, weight, bias: b }) =>
        graph.apply(convTranspose3d, bias ? [x, weight, b] : [x, weight], { stride, bias })[0],
    });
    compareOutputs(check, c, results);
  });
}
