/** Maximum pooling with kernel = stride in {1, 2} per axis, no padding, and its gradient. */
import type { OpDef } from "../../spec.ts";
import { input, kernel, load, output, store, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, requireSameType, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import {
  forEachWindow,
  gradientAttrs,
  type PoolAttrs,
  pooled,
  type PoolGradientAttrs,
  rowKernel,
  windowOffsets,
} from "./windows.ts";

/**
 * Maximum over windows of a dense tensor, as {@link avgPool3d}. The gradient goes to the first maximum of a window.
 * @throws {ShapeError} as {@link avgPool3d}, and for the block layout, where no network here uses it
 * Source: torch.nn.functional.max_pool3d.
 */
export const maxPool3d: OpDef<PoolAttrs> = {
  name: "maxPool3d",
  infer([x], attrs) {
    const dense = x.layout.kind === "dense";
    require(
      dense,
      "maxPool3d",
      "x is in the block layout, wanted a dense tensor: use avgPool3d or dense-masked layout",
    );
    return [pooled("maxPool3d", x, attrs)];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower({ inputs: [x], outputs: [y], attrs, device }) {
    const [from, to] = [input(0, "x", x), output(0, "out", y)];
    const each = `var best = ${load(from, "at")};
  ${windowOffsets(attrs).map((f) => `best = max(best, ${load(from, `at + ${f}`)});`).join(" ")}
  ${store(to, "o", "best")}`;
    return {
      variant: "rows",
      scratch: [],
      kernels: [rowKernel(`maxPool3d ${shapeText(y)}`, device, y, x, attrs, [from, to], each)],
    };
  },
  gradient: ({ inputs: [x], gradients: [dy], attrs, apply }) => [
    apply(maxPool3dGradient, [x, dy!], gradientAttrs(attrs, x.spec))[0],
  ],
  reference({ inputs: [x], inputSpecs: [spec], outputSpecs: [out], attrs }) {
    const { n, c, size } = volume("maxPool3d", "x", spec);
    const y = new Float64Array(count([out]));
    forEachWindow(n * c, size, attrs.stride, (o, inputs) => {
      y[o] = Math.max(...inputs.map((i) => x[i]));
    });
    return [y];
  },
};

/** `dx` of {@link maxPool3d}. Inputs `[x, dy]`; output like x; voxels outside every window get 0. */
export const maxPool3dGradient: OpDef<PoolGradientAttrs> = {
  name: "maxPool3dGradient",
  infer([x, dy]) {
    requireSameType("maxPool3dGradient", x, dy, "x and dy");
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [x, dy], outputs: [dx], attrs, device }) {
    const offsets = windowOffsets(attrs);
    const [values, from, to] = [input(0, "x", x), input(1, "dy", dy), output(0, "dx", dx)];
    const clear = kernel({
      label: `maxPool3d.dx clear ${shapeText(dx)}`,
      device,
      bindings: [to],
      params: { n: count([dx]) },
      groups: Math.ceil(count([dx]) / WORKGROUP),
      body: `if (tid < p.n) { ${store(to, "tid", "0.0")} }`,
    });
    const each = `var best = at; ${
      offsets.map((f) =>
        `{ let i = at + ${f}; if (${load(values, "i")} > ${load(values, "best")}) { best = i; } }`
      ).join(
        " ",
      )
    } ${store(to, "best", load(from, "o"))}`;
    return {
      variant: "rows",
      scratch: [],
      kernels: [
        clear,
        rowKernel(`maxPool3d.dx ${shapeText(dx)}`, device, dy, x, attrs, [values, from, to], each),
      ],
    };
  },
  reference({ inputs: [x, dy], outputSpecs: [spec], attrs }) {
    const dx = new Float64Array(count([spec]));
    forEachWindow(spec.shape[0] * spec.shape[1], attrs.size, attrs.stride, (o, inputs) => {
      dx[inputs.reduce((best, i) => x[i] > x[best] ? i : best)] += dy[o];
    });
    return [dx];
  },
};
