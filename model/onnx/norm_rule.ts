/**
 * Instance norm as ONNX operators, with means that are taken axis by axis.
 *
 * InstanceNormalization would be one operator instead of fifteen, but runtimes sum a whole map in one go: onnxruntime 1.30 on a
 * processor is off by 1.8e-3 of the largest value on a map of 160^3 that is constant in three quarters, as masked images make
 * them, and by 3.4e-5 on noise; axis by axis by 1.5e-7, at twice the norm's time (110 instead of 53 ms for four channels). Sums
 * of at most a few hundred terms keep their digits.
 */
import type { Node } from "../../kernels/graph/graph.ts";
import { type InstanceNormAttrs, normInputs } from "../../kernels/ops/instance_norm/inputs.ts";
import type { Emitter } from "./emitter.ts";

/** Mean of a map over depth, height and width, `[N, C, 1, 1, 1]`. */
function meanOf(x: string, output: string, out: Emitter): string {
  const along = (axis: number, of: string, name: string) =>
    out.add("ReduceMean", [of], name, { axes: { ints: [axis] }, keepdims: { int: 1 } });
  return along(2, along(3, along(4, x, `${output} of rows`), `${output} of planes`), output);
}

/** How means over the voxels that count are taken, and how the others become 0. */
interface Region {
  mean(x: string, output: string): string;
  only(x: string, output: string): string;
}

/** All voxels, or the visible ones that a mask tells. */
function regionOf(mask: string | null, out: Emitter): Region {
  if (mask === null) return { mean: (x, output) => meanOf(x, output, out), only: (x) => x };
  // the share of visible voxels; where none is, sums are 0 and anything but 0 will do
  const share = out.once(
    `${mask} share`,
    (output) => out.add("Max", [meanOf(mask, `${mask} mean`, out), out.scalar(1e-12)], output),
  );
  return {
    mean: (x, output) => out.add("Div", [meanOf(x, `${output} of all`, out), share], output),
    only: (x, output) => out.add("Mul", [x, mask], output),
  };
}

/** The normalised map; hidden voxels are 0. */
function normalised(node: Node, out: Emitter, y: string): string {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const x = out.of(node.inputs[0]);
  const { mean, only } = regionOf(at.visible < 0 ? null : out.of(node.inputs[at.visible]), out);
  const moved = out.add("Sub", [x, mean(only(x, `${y} shown`), `${y} mean`)], `${y} moved`);
  const centred = only(moved, `${y} centred`);
  const variance = mean(out.add("Mul", [centred, centred], `${y} squares`), `${y} variance`);
  const stable = out.add("Add", [variance, out.scalar(attrs.eps)], `${y} stable variance`);
  const deviation = out.add("Sqrt", [stable], `${y} deviation`);
  if (!attrs.affine) return out.add("Div", [centred, deviation], `${y} normalised`);
  const channels = node.inputs[0].spec.shape[1];
  const shape = out.constant(`constant shape ${channels}`, [5], [1, channels, 1, 1, 1], true);
  const [gamma, beta] = [at.gamma, at.beta].map((i) => {
    const name = out.of(node.inputs[i]);
    return out.add("Reshape", [name, shape], `${name} of channels`);
  });
  const scale = out.add("Div", [gamma, deviation], `${y} scale`);
  const scaled = out.add("Mul", [centred, scale], `${y} scaled`);
  return only(out.add("Add", [scaled, beta], `${y} normalised`), `${y} affine`);
}

/** Writes a norm with what is fused to it: a residual sum and LeakyReLU. */
export function normRule(node: Node, out: Emitter): void {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const y = out.of(node.outputs[0]);
  let result = normalised(node, out, y);
  if (at.residual >= 0) {
    result = out.add("Add", [result, out.of(node.inputs[at.residual])], `${y} with residual`);
  }
  if (attrs.slope !== 1) {
    result = out.add("LeakyRelu", [result], `${y} active`, { alpha: { float: attrs.slope } });
  }
  out.finish(result, node.outputs[0]);
}
