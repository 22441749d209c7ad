/** Convolution forward and gradients against recorded values. */
import { conv3d } from "../../../kernels/ops/conv3d/op.ts";
import { elementCount } from "../../../kernels/spec.ts";
import { compareOutputs, dims3, eachCase, type Fed, recorded, requireAttribute, runCall } from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, hashFill } from "../support.ts";

interface HashInput {
  readonly shape: number[];
  readonly seed: number;
  readonly first4?: number[];
}

/** Compares every recorded convolution. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op !== "conv3d") throw new Error(`unknown op ${c.op}`);
    const kernel = dims3(c.attributes.kernel, "kernel");
    requireAttribute(c, "padding", kernel.map((k) => (k - 1) / 2));
    requireAttribute(c, "dilation", [1, 1, 1]);
    requireAttribute(c, "groups", 1);
    const { grad_output: gradOutput, ...inputs } = caseInputs(group, check, c);
    const bias = "bias" in inputs;
    const results = await runCall({
      inputs,
      gradOutput,
      build: (graph, { x, weight, bias: b }) =>
        graph.apply(conv3d, bias ? [x, weight, b] : [x, weight], {
          kernel,
          stride: dims3(c.attributes.stride, "stride"),
          inputs: 1,
          bias,
        })[0],
    });
    compareOutputs(check, c, results);
    for (const [name, values] of results) checkSums(check, c, name, values);
  });
}

/** Stored tensors of a case plus those that its `hash_inputs` generate. */
function caseInputs(group: GoldenGroup, check: Checker, c: GoldenCase): Record<string, Fed> {
  const inputs: Record<string, Fed> = {};
  for (const [name, entry] of Object.entries((c.hash_inputs ?? {}) as Record<string, HashInput | string>)) {
    if (typeof entry === "string") continue; // a note
    const data = new Float32Array(hashFill(entry.shape, entry.seed));
    if (entry.first4) {
      check.closeValues(c.id, `first elements of ${name}`, data.slice(0, entry.first4.length), entry.first4);
    }
    inputs[name] = { shape: entry.shape, data };
  }
  for (const [name, ref] of Object.entries(c.inputs)) inputs[name] = recorded(group, ref);
  return inputs;
}

/**
 * Compares the float64 sum and absolute sum where the manifest has them.
 * Independent element errors within atol add up to about sqrt(elements) * atol.
 */
function checkSums(check: Checker, c: GoldenCase, name: string, values: Float32Array): void {
  const ref = c.outputs[name];
  const atol = (ref?.tolerance?.atol ?? 0) * Math.sqrt(values.length);
  const sums = {
    sum: values.reduce((s, v) => s + v, 0),
    abs_sum: values.reduce((s, v) => s + Math.abs(v), 0),
  };
  for (const [which, found] of Object.entries(sums)) {
    const wanted = c.attributes[`${name}_${which}_f64`];
    if (wanted !== undefined && ref && elementCount(ref.shape) > 0) {
      check.closeNumber(c.id, `${name} ${which}`, found, wanted, { atol, rtol: 0 });
    }
  }
}
