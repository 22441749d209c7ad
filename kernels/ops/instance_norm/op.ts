/**
 * Instance norm, over all voxels or visible ones only, fused with a residual sum and LeakyReLU; and its gradients.
 *
 * Visible voxels are told by a voxel mask for dense tensors and by the block table in the block layout. Three kernels a
 * direction: partial sums over the voxels of a channel, one thread a channel that joins them, one map over the voxels.
 */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { type Binding, input, kernel, load, output, scratch, store, WORKGROUP } from "../../wgsl/module.ts";
import { MERGE_MOMENTS, treeMoments } from "../../wgsl/reduce.ts";
import { fromVolume, keptVoxels, toVolume, volumeSpec } from "../blocks/reference.ts";
import { blockGridOf, requireTable } from "../blocks/table.ts";
import { channelMap, channelSums, elementOf, finishPerSample, partialSpec } from "../channelwise.ts";
import { storeOf } from "../accumulation.ts";
import {
  count,
  require,
  requireFloat,
  requireSame,
  requireSingle,
  sameShape,
  streamCost,
  volume,
} from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { normBackward, normForward } from "./reference.ts";

/** Attributes of {@link instanceNorm}; inputs come in the order x, gamma, beta, residual, visible, each where its flag is set. */
export interface InstanceNormAttrs {
  readonly eps: number;
  readonly affine: boolean;
  readonly residual: boolean;
  /** Whether the last input says which voxels count: the voxel mask of a dense x, the block table (always) of x in blocks. */
  readonly masked: boolean;
  /** Slope of the LeakyReLU that follows; 1 for none. */
  readonly slope: number;
}

/** Position of each optional input; -1 where absent. */
export function normInputs(
  attrs: InstanceNormAttrs,
): { gamma: number; beta: number; residual: number; visible: number; count: number } {
  let next = 1;
  const take = (present: boolean) => present ? next++ : -1;
  return {
    gamma: take(attrs.affine),
    beta: take(attrs.affine),
    residual: take(attrs.residual),
    visible: take(attrs.masked),
    count: next,
  };
}

function checkNorm(op: string, inputs: readonly TensorSpec[], attrs: InstanceNormAttrs): void {
  const at = normInputs(attrs);
  require(
    inputs.length === at.count,
    op,
    `found ${inputs.length} tensors, wanted ${at.count} for ${JSON.stringify(attrs)}`,
  );
  const x = volume(op, "x", inputs[0]);
  requireFloat(op, "x", inputs[0]);
  for (const i of [at.gamma, at.beta]) {
    if (i >= 0) {
      requireSingle(op, "gamma or beta", inputs[i]);
      require(
        sameShape(inputs[i].shape, [x.c]),
        op,
        `gamma or beta has shape [${inputs[i].shape}], wanted [${x.c}]`,
      );
    }
  }
  if (at.residual >= 0) requireSame(op, inputs[0], inputs[at.residual], "x and residual");
  requireVisible(op, inputs[0], at.visible >= 0 ? inputs[at.visible] : undefined);
}

/** Requires the input that tells visible voxels to fit x. @throws {ShapeError} */
function requireVisible(op: string, x: TensorSpec, visible: TensorSpec | undefined): void {
  const { n, size } = volume(op, "x", x);
  const blocks = blockGridOf(x);
  if (blocks) return requireTable(op, visible, n, blocks);
  if (visible) requireSingle(op, "mask", visible);
  const wanted = [n, 1, ...size];
  require(
    visible === undefined || sameShape(visible.shape, wanted),
    op,
    `mask has shape [${visible?.shape}], wanted [${wanted}]`,
  );
}

/** How kernels tell visible voxels of x: the mask that they bind, the table that channel kernels read, or neither. */
function visibleOf(x: TensorSpec, at: number) {
  const blocks = x.layout.kind === "blocks";
  return {
    table: blocks ? at : undefined,
    mask: !blocks && at >= 0 ? [input(at, "mask")] : [],
    variant: blocks ? "blocks" : at >= 0 ? "masked" : "dense",
  };
}

/**
 * `y = lrelu(gamma * (x - mean) / sqrt(var + eps) + beta + residual)`, statistics per sample and channel, biased variance.
 *
 * Masked: statistics over voxels whose mask is 1; the normalised part of hidden voxels is 0 (not beta), then residual and
 * LeakyReLU apply to every voxel. x, residual `[N, C, D, H, W]`; gamma, beta `[C]`; mask `[N, 1, D, H, W]` of 0 and 1.
 * In the block layout, x and residual `[N, C, K, e0, e1, e2]` and the table: statistics and y of the kept blocks.
 * x and residual are both f32 or both f16, the rest is f32.
 * Outputs: y like x; statistics `[N, C, 4]` = mean, 1/sqrt(var + eps), number of voxels, 0.
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
    const affine = at.gamma >= 0 ? [input(at.gamma, "gamma", "f32"), input(at.beta, "beta", "f32")] : [];
    const element = elementOf(spec);
    const residual = at.residual >= 0 ? [input(at.residual, "residual", element)] : [];
    const [x, y] = [input(0, "x", element), output(0, "y", element)];
    const overwrite = inPlace.length > 0;
    const normalise = channelMap({
      label: `${label} apply`,
      device,
      spec,
      table,
      lanes: true,
      bindings: [
        ...(overwrite ? [] : [x]),
        { ...output(1, "statistics", "vec4f"), access: "read" },
        ...affine,
        ...residual,
        ...mask,
        y,
      ],
      params: { slope: { f32: attrs.slope } },
      before: `let s = statistics[nc];
        let scale = s.y${affine.length ? " * gamma[c]" : ""}; let offset = ${
        affine.length ? "beta[c]" : "0.0"
      };`,
      each: `var value = (${load(overwrite ? y : x, "i")} - V(s.x)) * scale + V(offset);
        ${mask.length ? "value = select(V(), value, mask[m] > V(0.5));" : ""}
        ${residual.map((r) => `value = value + ${load(r, "i")};`).join("")}
        ${store(y, "i", attrs.slope === 1 ? "value" : "select(p.slope * value, value, value > V())")}`,
    });
    if (recompute) return { variant, scratch: [], kernels: [normalise] };
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
          bindings: [x, ...mask],
          before: `${
            mask.length
              ? "var shift = 0.0; var found = false;"
              : `let shift = firstLane(${load(x, "first")}, B(true));`
          } var count = V(); var s1 = V(); var s2 = V();`,
          each: mask.length
            ? `let keep = mask[m] > V(0.5); let value = ${load(x, "i")};
            if (!found && any(keep)) { shift = firstLane(value, keep); found = true; }
            let d = select(V(), value - V(shift), keep);
            count += select(V(), V(1.0), keep); s1 += d; s2 += d * d;`
            : `let d = ${load(x, "i")} - V(shift); count += V(1.0); s1 += d; s2 += d * d;`,
          after: `let voxels = total(count); let s = total(s1);
            if (voxels > 0.0) {
              sum = vec4f(voxels, shift + s / voxels, max(0.0, total(s2) - s * s / voxels), 0.0);
            }`,
          tree: { declaration: treeMoments("tree", WORKGROUP, device), call: "treeMerge(lid, sum)" },
        }),
        finishPerSample({
          label: `${label} statistics`,
          device,
          spec,
          partial: 0,
          bindings: [output(1, "statistics", "vec4f")],
          declarations: MERGE_MOMENTS,
          combine: "mergeMoments(sum, part)",
          params: { eps: { f32: attrs.eps } },
          store: "statistics[nc] = vec4f(sum.y, 1.0 / sqrt(sum.z / max(sum.x, 1.0) + p.eps), sum.x, 0.0);",
        }),
        normalise,
      ],
    };
  },
  gradient({ inputs, outputs, gradients: [dy], attrs, apply }) {
    const at = normInputs(attrs);
    const pick = (i: number) => i >= 0 ? [inputs[i]] : [];
    const results = apply(
      instanceNormGradient,
      [
        inputs[0],
        outputs[1],
        dy!,
        ...(attrs.slope === 1 ? [] : [outputs[0]]),
        ...pick(at.gamma),
        ...pick(at.visible),
      ],
      attrs,
    );
    const [dx, sums] = results;
    const gradients: (typeof dx | null)[] = new Array(at.count).fill(null);
    gradients[0] = dx;
    if (at.residual >= 0) gradients[at.residual] = attrs.slope === 1 ? dy : results[2];
    if (at.gamma >= 0) {
      [gradients[at.gamma], gradients[at.beta]] = apply(normParameterGradient, [sums], {});
    }
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

/** Order of the inputs of {@link instanceNormGradient}. */
function gradientInputs(attrs: InstanceNormAttrs): { y: number; gamma: number; visible: number } {
  let next = 3;
  const take = (present: boolean) => present ? next++ : -1;
  return { y: take(attrs.slope !== 1), gamma: take(attrs.affine), visible: take(attrs.masked) };
}

/**
 * Gradient of {@link instanceNorm}: with `g = dy * lrelu'(y)` and `xh = (x - mean) * inv`,
 * `dx = gamma inv (g - mean(g) - xh mean(g xh))` at visible voxels, 0 at hidden ones.
 *
 * Inputs `[x, statistics, dy, y (unless slope 1), gamma?, visible?]`.
 * Outputs: dx; sums `[N, C, 2]` = sum(g), sum(g xh) over visible voxels; and, with residual and slope, `g`.
 */
export const instanceNormGradient: OpDef<InstanceNormAttrs> = {
  name: "instanceNormGradient",
  mayOverwrite: [[0, 0], [2, 2], [2, 0]],
  infer(inputs, attrs) {
    const [x] = inputs;
    requireSame("instanceNormGradient", x, inputs[2], "x and dy");
    const { y } = gradientInputs(attrs);
    if (y >= 0) requireSame("instanceNormGradient", x, inputs[y], "x and y");
    const outputs = [x, tensor([x.shape[0], x.shape[1], 2])];
    return attrs.residual && attrs.slope !== 1 ? [...outputs, x] : outputs;
  },
  cost: (inputs, outputs) => streamCost([...inputs, ...inputs], outputs, 14 * count(outputs)),
  lower({ inputs, outputs, attrs, device, inPlace }) {
    const at = gradientInputs(attrs);
    const spec = inputs[0];
    const { mask, table, variant } = visibleOf(spec, at.visible);
    const label = `instanceNorm.dx ${shapeText(spec)}${variant === "dense" ? "" : ` ${variant}`}`;
    const element = elementOf(spec);
    const y = at.y >= 0 ? [input(at.y, "y", element)] : [];
    const gamma = at.gamma >= 0 ? [input(at.gamma, "gamma", "f32")] : [];
    const dx = output(0, "dx", element);
    const residual = outputs.length === 3 ? [output(2, "dresidual", element)] : [];
    const [x, dy] = [input(0, "x", element), input(2, "dy", element)];
    const g = (from: Binding) =>
      y.length
        ? `${load(from, "i")} * select(V(p.slope), V(1.0), ${load(y[0], "i")} > V())`
        : load(from, "i");
    const place = (from: Binding) => {
      const shared = inPlace.find(([i]) => i === from.port.index)?.[1];
      return shared === undefined ? from : shared === 0 ? dx : residual[0];
    };
    const [placedX, placedDy] = [place(x), place(dy)];
    const params = { slope: { f32: attrs.slope } };
    return {
      variant,
      scratch: [partialSpec(spec), tensor([spec.shape[0] * spec.shape[1], 8])],
      kernels: [
        channelSums({
          label: `${label} sums`,
          device,
          spec,
          table,
          lanes: true,
          partial: 0,
          bindings: [x, input(1, "statistics", "vec4f"), dy, ...y, ...mask],
          params,
          before: "let s = statistics[nc]; var s1 = V(); var s2 = V();",
          each: `let value = ${g(dy)};
            let g = ${mask.length ? "select(V(), value, mask[m] > V(0.5))" : "value"};
            s1 += g; s2 += g * (${load(x, "i")} - V(s.x));`,
          after: "sum = vec4f(total(s1), total(s2) * s.y, 0.0, 0.0);",
        }),
        finishPerSample({
          label: `${label} sums`,
          device,
          spec,
          partial: 0,
          bindings: [
            input(1, "statistics", "vec4f"),
            ...gamma,
            output(1, "sums", "vec2f"),
            scratch(1, "coefficients", "read_write", "vec4f"),
          ],
          store: `sums[nc] = sum.xy;
let s = statistics[nc];
coefficients[2u * nc] = vec4f(s.x, s.y, s.y${gamma.length ? " * gamma[c]" : ""}, 0.0);
coefficients[2u * nc + 1u] = vec4f(sum.xy / max(s.z, 1.0), 0.0, 0.0);`,
        }),
        channelMap({
          label: `${label} apply`,
          device,
          spec,
          table,
          lanes: true,
          bindings: [
            ...(placedX === x ? [x] : []),
            scratch(1, "coefficients", "read", "vec4f"),
            ...(placedDy === dy ? [dy] : []),
            ...y,
            ...mask,
            dx,
            ...residual,
          ],
          params,
          before: "let s = coefficients[2u * nc]; let t = coefficients[2u * nc + 1u];",
          each: `let g = ${g(placedDy)};
            let value = s.z * (g - V(t.x) - (${load(placedX, "i")} - V(s.x)) * (s.y * t.y));
            ${residual.map((r) => store(r, "i", "g")).join("")}
            ${store(dx, "i", mask.length ? "select(V(), value, mask[m] > V(0.5))" : "value")}`,
        }),
      ],
    };
  },
  reference({ inputs, inputSpecs, outputSpecs, attrs }) {
    const at = gradientInputs(attrs);
    const pick = (i: number) => i >= 0 ? inputs[i] : null;
    const [spec] = inputSpecs;
    const table = at.visible >= 0 ? inputs[at.visible] : undefined;
    const { dx, sums, g } = normBackward(volumeSpec(spec).shape, attrs, {
      x: toVolume(spec, inputs[0], table),
      statistics: inputs[1],
      dy: toVolume(spec, inputs[2], table),
      y: at.y >= 0 ? toVolume(spec, inputs[at.y], table) : null,
      gamma: pick(at.gamma),
      mask: spec.layout.kind === "blocks" ? keptVoxels(spec, table!) : pick(at.visible),
    });
    return [dx, sums, g].slice(0, outputSpecs.length).map((t) => t === sums ? t : fromVolume(spec, t, table));
  },
};

/** `dgamma[c] = sum_n sums[n,c,1]`, `dbeta[c] = sum_n sums[n,c,0]`. Input `[N, C, 2]`; outputs `[C]`, `[C]`. */
export const normParameterGradient: OpDef<Record<string, never>> = {
  name: "normParameterGradient",
  accumulates: [0, 1],
  infer: ([sums]) => [tensor([sums.shape[1]]), tensor([sums.shape[1]])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower(request) {
    const { inputs: [sums], device } = request;
    const [n, c] = sums.shape;
    const [dgamma, dbeta] = [output(0, "dgamma"), output(1, "dbeta")];
    const [gammaStore, betaStore] = [storeOf(request, 0), storeOf(request, 1)];
    return {
      variant: "one stage",
      scratch: [],
      kernels: [kernel({
        label: `instanceNorm.dgamma ${c}`,
        device,
        bindings: [input(0, "sums", "vec2f"), dgamma, dbeta],
        params: { samples: n, channels: c, ...gammaStore.params, ...betaStore.params },
        groups: Math.ceil(c / WORKGROUP),
        body: `
if (tid >= p.channels) { return; }
var total = vec2f();
for (var n = 0u; n < p.samples; n++) { total = total + sums[n * p.channels + tid]; }
${betaStore.into(dbeta, "tid", "total.x")}
${gammaStore.into(dgamma, "tid", "total.y")}`,
      })],
    };
  },
  reference({ inputs: [sums], inputSpecs: [spec] }) {
    const [n, c] = spec.shape;
    const dgamma = new Float64Array(c);
    const dbeta = new Float64Array(c);
    for (let i = 0; i < n * c; i++) {
      dbeta[i % c] += sums[2 * i];
      dgamma[i % c] += sums[2 * i + 1];
    }
    return [dgamma, dbeta];
  },
};
