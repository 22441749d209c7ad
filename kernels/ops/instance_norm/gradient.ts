/** Gradients of instance norm: of its input and residual, and of gamma and beta. */
import { type OpDef, tensor } from "../../spec.ts";
import { type Binding, input, kernel, load, output, scratch, store, WORKGROUP } from "../../wgsl/module.ts";
import { storeOf } from "../accumulation.ts";
import { fromVolume, keptVoxels, toVolume, volumeSpec } from "../blocks/reference.ts";
import { channelMap, channelSums, elementOf, finishPerSample, partialSpec } from "../channelwise.ts";
import { count, requireSame, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { type InstanceNormAttrs, visibleOf } from "./inputs.ts";
import { normBackward } from "./reference.ts";

/** Order of the inputs of {@link instanceNormGradient}. */
function gradientInputs(attrs: InstanceNormAttrs): { y: number; gamma: number; visible: number } {
  let next = 3;
  const take = (present: boolean) => present ? next++ : -1;
  return { y: take(attrs.slope !== 1), gamma: take(attrs.affine), visible: take(attrs.masked) };
}

/**
 * Gradient of `instanceNorm`: with `g = dy * lrelu'(y)` and `xh = (x - mean) * inv`,
 * `dx = gamma inv (g - mean(g) - xh mean(g xh))` at visible voxels, 0 at hidden ones.
 *
 * Inputs `[x, statistics, dy, y (unless slope 1), gamma?, visible?]`.
 * Outputs: dx; sums `[N, C, 2]` = sum(g), sum(g xh) over visible voxels; and, with residual and slope, `g`.
 */
export const instanceNormGradient: OpDef<InstanceNormAttrs> = {
  name: "instanceNormGradient",
  mayOverwrite: [[0, 0], [2, 2], [2, 0]],
  centred: [0],
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
