/**
 * Instance norm as ONNX operators.
 *
 * Means are taken axis by axis, and InstanceNormalization gets a map whose mean is already 0, which changes nothing on paper.
 * Runtimes sum a whole map in one go: onnxruntime 1.30 on a processor is off by 1.8e-3 of the largest value on a map of 160^3 that
 * is constant in three quarters, as masked images make them, and by 3.4e-5 on noise; centred first by 4e-7, at 1.7 times the norm's
 * time. Sums of at most a few hundred terms keep their digits.
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

/** Norm over all voxels. */
function wholeNorm(node: Node, out: Emitter, y: string): string {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const x = out.of(node.inputs[0]);
  const channels = node.inputs[0].spec.shape[1];
  const [scale, offset] = attrs.affine
    ? [at.gamma, at.beta].map((i) => out.of(node.inputs[i]))
    : [1, 0].map((n) => out.constant(`constant ${n} x ${channels}`, [channels], new Array(channels).fill(n)));
  const centred = out.add("Sub", [x, meanOf(x, `${y} mean`, out)], `${y} centred`);
  return out.add("InstanceNormalization", [centred, scale, offset], `${y} normalised`, {
    epsilon: { float: attrs.eps },
  });
}

/** Norm over visible voxels; hidden ones become 0. */
function maskedNorm(node: Node, out: Emitter, y: string): string {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const x = out.of(node.inputs[0]);
  const mask = out.of(node.inputs[at.visible]);
  const channels = node.inputs[0].spec.shape[1];
  // the share of visible voxels; where none is, sums are 0 and anything but 0 will do
  const share = out.once(
    `${mask} share`,
    (output) => out.add("Max", [meanOf(mask, `${mask} mean`, out), out.scalar(1e-12)], output),
  );
  const meanOfVisible = (of: string, output: string) =>
    out.add("Div", [meanOf(of, `${output} of all`, out), share], output);
  const mean = meanOfVisible(out.add("Mul", [x, mask], `${y} shown`), `${y} mean`);
  const centred = out.add("Mul", [out.add("Sub", [x, mean], `${y} moved`), mask], `${y} centred`);
  const variance = meanOfVisible(out.add("Mul", [centred, centred], `${y} squares`), `${y} variance`);
  const stable = out.add("Add", [variance, out.scalar(attrs.eps)], `${y} stable variance`);
  const scaled = out.add("Div", [centred, out.add("Sqrt", [stable], `${y} deviation`)], `${y} normalised`);
  if (!attrs.affine) return scaled;
  const shape = out.constant(`constant shape ${channels}`, [5], [1, channels, 1, 1, 1], true);
  const [gamma, beta] = [at.gamma, at.beta].map((i) => out.of(node.inputs[i]));
  const grown = out.add("Mul", [scaled, out.add("Reshape", [gamma, shape], `${y} gamma`)], `${y} scaled`);
  const offset = out.add("Add", [grown, out.add("Reshape", [beta, shape], `${y} beta`)], `${y} offset`);
  return out.add("Mul", [offset, mask], `${y} affine`);
}

/** Writes a norm with what is fused to it: a residual sum and LeakyReLU. */
export function normRule(node: Node, out: Emitter): void {
  const attrs = node.attrs as InstanceNormAttrs;
  const at = normInputs(attrs);
  const y = out.of(node.outputs[0]);
  let result = at.visible < 0 ? wholeNorm(node, out, y) : maskedNorm(node, out, y);
  if (at.residual >= 0) {
    result = out.add("Add", [result, out.of(node.inputs[at.residual])], `${y} with residual`);
  }
  if (attrs.slope !== 1) {
    result = out.add("LeakyRelu", [result], `${y} active`, { alpha: { float: attrs.slope } });
  }
  out.finish(result, node.outputs[0]);
}
