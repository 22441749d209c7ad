/** Gradients of instance norm: of its input and residual, and of gamma and beta. */
import { type OpDef, tensor } from "../../spec.ts";
import { type Binding, input, kernel, load, output, scratch, store, WORKGROUP } from "../../wgsl/module.ts";
import { treeSum } from "../../wgsl/reduce.ts";
import { storeOf } from "../accumulation.ts";
import { fromVolume, keptVoxels, toVolume, volumeSpec } from "../blocks/reference.ts";
import { channelMap, channelSums, elementOf, partialSpec, sumSplits } from "../channelwise.ts";
import { count, requireSame, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { type InstanceNormAttrs, visibleOf } from "./inputs.ts";
import { normBackward } from "./reference.ts";
import { lowerWholeChannels, wholeChannels } from "./whole_channel.wgsl.ts";

/** Order of the inputs of {@link instanceNormGradient}. */
function gradientInputs(attrs: InstanceNormAttrs): { y: number; visible: number } {
  let next = 3;
  const take = (present: boolean) => present ? next++ : -1;
  return { y: take(attrs.slope !== 1), visible: take(attrs.masked) };
}

/**
 * Gradient of `instanceNorm`: with `g = dy * lrelu'(y)` and `xh = (x - mean) * inv`,
 * `dx = gamma inv (g - mean(g) - xh mean(g xh))` at visible voxels, 0 at hidden ones; `dgamma = sum(g xh)` and `dbeta = sum(g)`
 * over samples and visible voxels.
 *
 * Inputs `[x, statistics, dy, y (unless slope 1), visible?]`.
 * Outputs: dx; dgamma and dbeta `[C]`, affine or not; and, with residual and slope, `g`.
 */
export const instanceNormGradient: OpDef<InstanceNormAttrs> = {
  name: "instanceNormGradient",
  mayOverwrite: [[0, 0], [2, 3], [2, 0]],
  centred: [0],
  accumulates: [1, 2],
  infer(inputs, attrs) {
    const [x] = inputs;
    requireSame("instanceNormGradient", x, inputs[2], "x and dy");
    const { y } = gradientInputs(attrs);
    if (y >= 0) requireSame("instanceNormGradient", x, inputs[y], "x and y");
    const channels = tensor([x.shape[1]]);
    return [x, channels, channels, ...(attrs.residual && attrs.slope !== 1 ? [x] : [])];
  },
  cost: (inputs, outputs) => streamCost([...inputs, ...inputs], outputs, 14 * count(outputs)),
  lower(request) {
    const { inputs, outputs, attrs, device, inPlace } = request;
    const at = gradientInputs(attrs);
    const spec = inputs[0];
    const { mask, table, variant } = visibleOf(spec, at.visible);
    const label = `instanceNorm.dx ${shapeText(spec)}${variant === "dense" ? "" : ` ${variant}`}`;
    const element = elementOf(spec);
    const y = at.y >= 0 ? [input(at.y, "y", element)] : [];
    const dx = output(0, "dx", element);
    const [dgamma, dbeta] = [output(1, "dgamma", "f32"), output(2, "dbeta", "f32")];
    const [gammaStore, betaStore] = [storeOf(request, 1), storeOf(request, 2)];
    const residual = outputs.length === 4 ? [output(3, "dresidual", element)] : [];
    const [x, dy] = [input(0, "x", element), input(2, "dy", element)];
    const statistics = input(1, "statistics", "vec4f");
    const place = (from: Binding) => {
      const shared = inPlace.find(([i]) => i === from.port.index)?.[1];
      return shared === undefined ? from : shared === 0 ? dx : residual[0];
    };
    const [placedX, placedDy] = [place(x), place(dy)];
    const sources = [x, dy].filter((from) => place(from) === from);
    const g = (from: Binding) =>
      y.length
        ? `${load(from, "i")} * select(V(p.slope), V(1.0), ${load(y[0], "i")} > V())`
        : load(from, "i");
    const visible = (value: string) => mask.length ? `select(V(), ${value}, mask[m] > V(0.5))` : value;
    const sums = (fromX: Binding, fromDy: Binding) => ({
      before: "var s1 = V(); var s2 = V();",
      each: `let value = ${g(fromDy)}; let g = ${visible("value")};
            s1 += g; s2 += g * (${load(fromX, "i")} - V(s.x));`,
      after: "sum = vec4f(total(s1), total(s2) * s.y, 0.0, 0.0);",
    });
    // s = mean, inv, voxels, gamma; t = means of g and g xh
    const map = `let g = ${g(placedDy)};
            let value = s.y * s.w * (g - V(t.x) - (${load(placedX, "i")} - V(s.x)) * (s.y * t.y));
            ${residual.map((r) => store(r, "i", "g")).join("")}
            ${store(dx, "i", visible("value"))}`;
    const parameters = `${betaStore.into(dbeta, "c", "totals.x")} ${
      gammaStore.into(dgamma, "c", "totals.y")
    }`;
    const slope = { slope: { f32: attrs.slope } };
    const stores = { ...gammaStore.params, ...betaStore.params };
    const all = [...sources, statistics, ...y, ...mask, dx, ...residual, dgamma, dbeta];
    const bindings = all.length + (table === undefined ? 0 : 1);
    if (wholeChannels(spec, device) && bindings <= device.maxStorageBindings) {
      const { before, each, after } = sums(placedX, placedDy);
      return lowerWholeChannels(variant, {
        label,
        device,
        spec,
        table,
        samples: spec.shape[0],
        bindings: all,
        params: { ...slope, ...stores },
        start: "var totals = vec2f();",
        sample: "let s = statistics[nc];",
        before,
        sum: each,
        after,
        join: "joined + sum",
        tree: (threads) => ({
          declaration: treeSum("tree", threads, device),
          call: "treeSum(lid, joined)",
        }),
        between: "totals += reduced.xy; let t = reduced.xy / max(s.z, 1.0);",
        each: map,
        finish: `if (lid == 0u) { ${parameters} }`,
      });
    }
    const { before, ...loop } = sums(x, dy);
    return {
      variant,
      scratch: [partialSpec(spec), tensor([spec.shape[0] * spec.shape[1], 2])],
      kernels: [
        channelSums({
          label: `${label} sums`,
          device,
          spec,
          table,
          lanes: true,
          partial: 0,
          bindings: [x, statistics, dy, ...y, ...mask],
          params: slope,
          before: `let s = statistics[nc]; ${before}`,
          ...loop,
        }),
        kernel({
          label: `${label} sums finish`,
          device,
          bindings: [
            scratch(0, "partials", "read", "vec4f"),
            statistics,
            scratch(1, "means", "read_write", "vec2f"),
            dgamma,
            dbeta,
          ],
          params: {
            samples: spec.shape[0],
            channels: spec.shape[1],
            splits: sumSplits(spec),
            ...stores,
          },
          groups: Math.ceil(spec.shape[1] / WORKGROUP),
          body: `
if (tid >= p.channels) { return; }
let c = tid;
var totals = vec2f();
for (var n = 0u; n < p.samples; n++) {
  let nc = n * p.channels + c;
  var sum = vec2f();
  for (var split = 0u; split < p.splits; split++) { sum += partials[nc * p.splits + split].xy; }
  means[nc] = sum / max(statistics[nc].z, 1.0);
  totals += sum;
}
${parameters}`,
        }),
        channelMap({
          label: `${label} apply`,
          device,
          spec,
          table,
          lanes: true,
          bindings: [
            ...sources,
            statistics,
            scratch(1, "means", "read", "vec2f"),
            ...y,
            ...mask,
            dx,
            ...residual,
          ],
          params: slope,
          before: "let s = statistics[nc]; let t = means[nc];",
          each: map,
        }),
      ],
    };
  },
  reference({ inputs, inputSpecs, outputSpecs, attrs }) {
    const at = gradientInputs(attrs);
    const [spec] = inputSpecs;
    const table = at.visible >= 0 ? inputs[at.visible] : undefined;
    const { dx, dgamma, dbeta, g } = normBackward(volumeSpec(spec).shape, attrs, {
      x: toVolume(spec, inputs[0], table),
      statistics: inputs[1],
      dy: toVolume(spec, inputs[2], table),
      y: at.y >= 0 ? toVolume(spec, inputs[at.y], table) : null,
      mask: spec.layout.kind === "blocks"
        ? keptVoxels(spec, table!)
        : at.visible >= 0
        ? inputs[at.visible]
        : null,
    });
    const residual = outputSpecs.length === 4 ? [fromVolume(spec, g, table)] : [];
    return [fromVolume(spec, dx, table), dgamma, dbeta, ...residual];
  },
};
