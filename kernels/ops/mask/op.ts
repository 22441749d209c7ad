/** Block masks on the device: expansion to voxels, masking, and filling hidden voxels with a learned token. */
import { type Dims3, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, load, output, store, WORKGROUP } from "../../wgsl/module.ts";
import { storeOf } from "../accumulation.ts";
import {
  blockEdge,
  count,
  forEachMasked,
  require,
  requireFloat,
  requireSingle,
  sameShape,
  streamCost,
  volume,
} from "../check.ts";
import { channelMap, channelSums, elementOf, finishPerChannel, partialSpec } from "../channelwise.ts";
import { shapeText } from "../elementwise.ts";

/**
 * Repeats every cell of a block mask: `m[n,0,p] = mask[n,0, floor(p / edge)]`.
 *
 * Input `[N, 1, g0, g1, g2]`, 1 = visible, 0 = hidden; output `[N, 1, ...size]`. No gradient: masks are data.
 * @throws {ShapeError} when `size` is no multiple of the grid
 */
export const expandMask: OpDef<{ readonly size: Dims3 }> = {
  name: "expandMask",
  recompute: [0],
  infer([mask], { size }) {
    blockEdge("expandMask", mask, mask.shape[0], size);
    return [tensor([mask.shape[0], 1, ...size])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
  lower({ inputs: [mask], outputs: [m], attrs: { size }, device }) {
    const [n, , g0, g1, g2] = mask.shape;
    const edge = blockEdge("expandMask", mask, n, size);
    return {
      variant: "rows",
      scratch: [],
      kernels: [kernel({
        label: `expandMask ${shapeText(m)}`,
        device,
        bindings: [input(0, "mask"), output(0, "m")],
        params: {
          rows: n * size[0] * size[1],
          d: size[0],
          h: size[1],
          w: size[2],
          g0,
          g1,
          g2,
          e0: edge[0],
          e1: edge[1],
          e2: edge[2],
        },
        groups: Math.ceil(n * size[0] * size[1] / WORKGROUP),
        body: `
if (tid >= p.rows) { return; }
let y = tid % p.h; let z = (tid / p.h) % p.d; let n = tid / (p.h * p.d);
let cell = ((n * p.g0 + z / p.e0) * p.g1 + y / p.e1) * p.g2;
for (var g = 0u; g < p.g2; g++) {
  let value = mask[cell + g];
  for (var k = 0u; k < p.e2; k++) { m[tid * p.w + g * p.e2 + k] = value; }
}`,
      })],
    };
  },
  reference({ inputs: [mask], inputSpecs: [spec], attrs: { size } }) {
    const voxels = size[0] * size[1] * size[2];
    const [n, , ...grid] = spec.shape;
    const m = new Float64Array(n * voxels);
    for (let s = 0; s < n; s++) {
      forEachMasked(s, size, grid as unknown as Dims3, (voxel, cell) => m[s * voxels + voxel] = mask[cell]);
    }
    return [m];
  },
};

function requireMask(op: string, x: TensorSpec, m: TensorSpec): void {
  const dense = x.layout.kind === "dense";
  require(dense, op, "x is in the block layout, which holds visible voxels only: it takes no mask");
  const wanted = [x.shape[0], 1, ...x.shape.slice(2)];
  require(sameShape(m.shape, wanted), op, `mask has shape [${m.shape}], wanted [${wanted}]`, m.shape, wanted);
  requireFloat(op, "x", x);
  requireSingle(op, "mask", m);
}

/**
 * `y = x * m`: hidden voxels become 0.
 *
 * Inputs x `[N, C, D, H, W]`, f32 or f16, and m `[N, 1, D, H, W]`; output like x. m receives no gradient.
 * @throws {ShapeError} when the shapes differ
 */
export const applyMask: OpDef<Record<string, never>> = {
  name: "applyMask",
  recompute: [0],
  mayOverwrite: [[0, 0]],
  infer([x, m]) {
    requireMask("applyMask", x, m);
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [x], inPlace, device }) {
    const overwrite = inPlace.length > 0;
    const y = output(0, "y", elementOf(x));
    const source = overwrite ? y : input(0, "x", elementOf(x));
    return {
      variant: overwrite ? "in place" : "copy",
      scratch: [],
      kernels: [channelMap({
        label: `applyMask ${shapeText(x)}${overwrite ? " in place" : ""}`,
        device,
        spec: x,
        lanes: true,
        bindings: [...(overwrite ? [] : [source]), input(1, "mask"), y],
        each: store(y, "i", `select(V(), ${load(source, "i")}, mask[m] > V(0.5))`),
      })],
    };
  },
  gradient: ({ inputs: [, m], gradients: [dy], apply }) => [apply(applyMask, [dy!, m], {})[0], null],
  reference({ inputs: [x, m], inputSpecs: [spec] }) {
    const { c, voxels } = volume("applyMask", "x", spec);
    return [x.map((v, i) => m[Math.floor(i / (c * voxels)) * voxels + i % voxels] > 0.5 ? v : 0)];
  },
};

/**
 * `y = m == 1 ? x : token[c]`: hidden voxels take the level's mask token.
 *
 * Inputs x `[N, C, D, H, W]`, f32 or f16, token `[1, C, 1, 1, 1]`, m `[N, 1, D, H, W]`; output like x. m receives no gradient.
 * @throws {ShapeError} when the shapes do not fit
 * Source: densification of SparK.
 */
export const tokenFill: OpDef<Record<string, never>> = {
  name: "tokenFill",
  recompute: [0],
  mayOverwrite: [[0, 0]],
  infer([x, token, m]) {
    requireMask("tokenFill", x, m);
    const wanted = [1, x.shape[1], 1, 1, 1];
    require(
      sameShape(token.shape, wanted),
      "tokenFill",
      `token has shape [${token.shape}], wanted [${wanted}]`,
    );
    requireSingle("tokenFill", "token", token);
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
  lower({ inputs: [x], inPlace, device }) {
    const overwrite = inPlace.length > 0;
    const y = output(0, "y", elementOf(x));
    const source = overwrite ? y : input(0, "x", elementOf(x));
    return {
      variant: overwrite ? "in place" : "copy",
      scratch: [],
      kernels: [channelMap({
        label: `tokenFill ${shapeText(x)}${overwrite ? " in place" : ""}`,
        device,
        spec: x,
        lanes: true,
        bindings: [
          ...(overwrite ? [] : [source]),
          input(1, "token", "f32"),
          input(2, "mask"),
          y,
        ],
        before: "let fill = V(token[c]);",
        each: store(y, "i", `select(fill, ${load(source, "i")}, mask[m] > V(0.5))`),
      })],
    };
  },
  gradient({ inputs: [, , m], gradients: [dy], needed, apply }) {
    return [
      needed[0] ? apply(applyMask, [dy!, m], {})[0] : null,
      needed[1] ? apply(tokenGradient, [dy!, m], {})[0] : null,
      null,
    ];
  },
  reference({ inputs: [x, token, m], inputSpecs: [spec] }) {
    const { c, voxels } = volume("tokenFill", "x", spec);
    return [
      x.map((v, i) =>
        m[Math.floor(i / (c * voxels)) * voxels + i % voxels] > 0.5 ? v : token[Math.floor(i / voxels) % c]
      ),
    ];
  },
};

/** `dtoken[c] = sum of dy over hidden voxels`. Inputs `[dy, m]`, dy f32 or f16; output `[1, C, 1, 1, 1]` of f32. */
export const tokenGradient: OpDef<Record<string, never>> = {
  name: "tokenGradient",
  accumulates: [0],
  infer([dy, m]) {
    requireMask("tokenGradient", dy, m);
    return [tensor([1, dy.shape[1], 1, 1, 1])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower(request) {
    const { inputs: [dy], device } = request;
    const result = storeOf(request, 0);
    const y = output(0, "y");
    const label = `tokenGradient ${shapeText(dy)}`;
    const source = input(0, "dy", elementOf(dy));
    return {
      variant: "two stages",
      scratch: [partialSpec(dy)],
      kernels: [
        channelSums({
          label,
          device,
          spec: dy,
          lanes: true,
          partial: 0,
          bindings: [source, input(1, "mask")],
          before: "var hidden = V();",
          each: `hidden += select(${load(source, "i")}, V(), mask[m] > V(0.5));`,
          after: "sum.x = total(hidden);",
        }),
        finishPerChannel({
          label,
          device,
          spec: dy,
          partial: 0,
          bindings: [y],
          params: result.params,
          store: result.into(y, "c", "sum.x"),
        }),
      ],
    };
  },
  reference({ inputs: [dy, m], inputSpecs: [spec] }) {
    const { c, voxels } = volume("tokenGradient", "dy", spec);
    const sums = new Float64Array(c);
    dy.forEach((v, i) => {
      if (!(m[Math.floor(i / (c * voxels)) * voxels + i % voxels] > 0.5)) {
        sums[Math.floor(i / voxels) % c] += v;
      }
    });
    return [sums];
  },
};
