/**
 * Instance norm, over all voxels or visible ones only, fused with a residual sum and LeakyReLU.
 *
 * Visible voxels are told by a voxel mask for dense tensors and by the block table in the block layout. One kernel a
 * direction where a workgroup takes a whole channel, else three: partial sums over the voxels of a channel, one thread a
 * channel that joins them, one map over the voxels.
 */
import { type DeviceFacts, type OpDef, tensor } from "../../spec.ts";
import { type Binding, input, load, output, store } from "../../wgsl/module.ts";
import { MERGE_MOMENTS, treeMoments } from "../../wgsl/reduce.ts";
import { fromVolume, keptVoxels, toVolume, volumeSpec } from "../blocks/reference.ts";
import { channelMap, channelSums, elementOf, finishPerSample, partialSpec } from "../channelwise.ts";
import { count, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { instanceNormGradient } from "./gradient.ts";
import { checkNorm, type InstanceNormAttrs, normInputs, visibleOf } from "./inputs.ts";
import { normForward } from "./reference.ts";
import { lowerWholeChannels, wholeChannels } from "./whole_channel.wgsl.ts";

/**
 * `y = lrelu(gamma * (x - mean) / sqrt(var + eps) + beta + residual)`, statistics per sample and channel, biased variance.
 *
 * Masked: statistics over voxels whose mask is 1; the normalised part of hidden voxels is 0 (not beta), then residual and
 * LeakyReLU apply to every voxel. x, residual `[N, C, D, H, W]`; gamma, beta `[C]`; mask `[N, 1, D, H, W]` of 0 and 1.
 * In the block layout, x and residual `[N, C, K, e0, e1, e2]` and the table: statistics and y of the kept blocks.
 * x and residual are both f32 or both f16, the rest is f32.
 * Outputs: y like x; statistics `[N, C, 4]` = mean, 1/sqrt(var + eps), number of voxels, gamma (1 when not affine).
 * @throws {ShapeError} when the tensors do not fit
 * Source: torch InstanceNorm3d; masked form: sparse norm of SparK over visible positions.
 */
export const instanceNorm: OpDef<InstanceNormAttrs> = {
  name: "instanceNorm",
  recompute: [0],
  mayOverwrite: [[0, 0]],
  infer(inputs, attrs) {
    checkNorm("instanceNorm", inputs, attrs);
    return [inputs[0], tensor([inputs[0].shape[0], inputs[0].shape[1], 4])];
  },
  cost: (inputs, outputs) => streamCost([inputs[0], ...inputs], outputs, 8 * count(outputs)),
  lower({ inputs, attrs, device, inPlace, recompute }) {
    const at = normInputs(attrs);
    const spec = inputs[0];
    const { mask, table, variant } = visibleOf(spec, at.visible);
    const label = `instanceNorm ${shapeText(spec)}${variant === "dense" ? "" : ` ${variant}`}`;
    const gamma = at.gamma >= 0 ? [input(at.gamma, "gamma", "f32")] : [];
    const beta = at.beta >= 0 ? [input(at.beta, "beta", "f32")] : [];
    const element = elementOf(spec);
    const residual = at.residual >= 0 ? [input(at.residual, "residual", element)] : [];
    const y = output(0, "y", element);
    const [x, source] = inPlace.length > 0 ? [y, []] : [input(0, "x", element), [input(0, "x", element)]];
    const statistics = output(1, "statistics", "vec4f");
    const slope = { slope: { f32: attrs.slope } };
    const eps = { eps: { f32: attrs.eps } };
    const found = (moments: string) =>
      `vec4f(${moments}.y, 1.0 / sqrt(${moments}.z / max(${moments}.x, 1.0) + p.eps), ${moments}.x, ${
        gamma.length ? "gamma[c]" : "1.0"
      })`;
    const scaled = `let scale = s.y * s.w; let offset = ${beta.length ? "beta[c]" : "0.0"};`;
    // fma(): the same rounding in every kernel that has this text, so that values made again are the same bits
    const normalised = `var value = fma(${load(x, "i")} - V(s.x), V(scale), V(offset));
        ${mask.length ? "value = select(V(), value, mask[m] > V(0.5));" : ""}
        ${residual.map((r) => `value = value + ${load(r, "i")};`).join("")}
        ${store(y, "i", attrs.slope === 1 ? "value" : "select(p.slope * value, value, value > V())")}`;
    const map = channelMap({
      label: `${label} apply`,
      device,
      spec,
      table,
      lanes: true,
      bindings: [...source, { ...statistics, access: "read" }, ...beta, ...residual, ...mask, y],
      params: slope,
      before: `let s = statistics[nc]; ${scaled}`,
      each: normalised,
    });
    if (recompute) return { variant, scratch: [], kernels: [map] };
    const moments = momentSums(x, mask.length > 0);
    if (wholeChannels(spec, device)) {
      return lowerWholeChannels(variant, {
        label,
        device,
        spec,
        table,
        samples: 1,
        bindings: [...source, statistics, ...gamma, ...beta, ...residual, ...mask, y],
        params: { ...slope, ...eps },
        ...moments,
        sum: moments.each,
        join: "mergeMoments(joined, sum)",
        tree: (threads) => momentTree(threads, device, "joined"),
        between: `let s = ${found("reduced")}; if (lid == 0u) { statistics[nc] = s; } ${scaled}`,
        each: normalised,
      });
    }
    return {
      variant,
      scratch: [partialSpec(spec)],
      kernels: [
        channelSums({
          label: `${label} statistics`,
          device,
          spec,
          table,
          lanes: true,
          partial: 0,
          bindings: [input(0, "x", element), ...mask],
          ...momentSums(input(0, "x", element), mask.length > 0),
          tree: (threads) => momentTree(threads, device, "sum"),
        }),
        finishPerSample({
          label: `${label} statistics`,
          device,
          spec,
          partial: 0,
          bindings: [...gamma, statistics],
          declarations: MERGE_MOMENTS,
          combine: "mergeMoments(sum, part)",
          params: eps,
          store: `statistics[nc] = ${found("sum")};`,
        }),
        map,
      ],
    };
  },
  gradient({ inputs, outputs, gradients: [dy], attrs, apply }) {
    const at = normInputs(attrs);
    const pick = (i: number) => i >= 0 ? [inputs[i]] : [];
    const [dx, dgamma, dbeta, residual] = apply(
      instanceNormGradient,
      [
        inputs[0],
        outputs[1],
        dy!,
        ...(attrs.slope === 1 ? [] : [outputs[0]]),
        ...pick(at.visible),
      ],
      attrs,
    );
    const gradients: (typeof dx | null)[] = new Array(at.count).fill(null);
    gradients[0] = dx;
    if (at.residual >= 0) gradients[at.residual] = attrs.slope === 1 ? dy : residual;
    if (at.gamma >= 0) [gradients[at.gamma], gradients[at.beta]] = [dgamma, dbeta];
    return gradients;
  },
  reference({ inputs, inputSpecs, attrs }) {
    const at = normInputs(attrs);
    const pick = (i: number) => i >= 0 ? inputs[i] : null;
    const [spec] = inputSpecs;
    const table = at.visible >= 0 ? inputs[at.visible] : undefined;
    const [y, statistics] = normForward(volumeSpec(spec).shape, attrs, {
      x: toVolume(spec, inputs[0], table),
      gamma: pick(at.gamma),
      beta: pick(at.beta),
      residual: at.residual >= 0 ? toVolume(spec, inputs[at.residual], table) : null,
      mask: spec.layout.kind === "blocks" ? keptVoxels(spec, table!) : pick(at.visible),
    });
    return [fromVolume(spec, y, table), statistics];
  },
};

/** Moments of a thread's voxels about the first of them, as `sum: vec4f` = (count, mean, sum of squared deviations, 0). */
function momentSums(x: Binding, masked: boolean): { before: string; each: string; after: string } {
  return {
    before: `${
      masked ? "var shift = 0.0; var found = false;" : `let shift = firstLane(${load(x, "first")}, B(true));`
    } var count = V(); var s1 = V(); var s2 = V();`,
    each: masked
      ? `let keep = mask[m] > V(0.5); let value = ${load(x, "i")};
            if (!found && any(keep)) { shift = firstLane(value, keep); found = true; }
            let d = select(V(), value - V(shift), keep);
            count += select(V(), V(1.0), keep); s1 += d; s2 += d * d;`
      : `let d = ${load(x, "i")} - V(shift); count += V(1.0); s1 += d; s2 += d * d;`,
    after: `let voxels = total(count); let moved = total(s1);
            if (voxels > 0.0) {
              sum = vec4f(voxels, shift + moved / voxels, max(0.0, total(s2) - moved * moved / voxels), 0.0);
            }`,
  };
}

function momentTree(
  threads: number,
  device: DeviceFacts,
  name: string,
): { declaration: string; call: string } {
  return { declaration: treeMoments("tree", threads, device), call: `treeMerge(lid, ${name})` };
}
