/** Average and maximum pooling with kernel = stride in {1, 2} per axis, no padding, and their gradients. */
import { type Dims3, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, streamCost, volume } from "../check.ts";
import { dims, volumeOf } from "../conv3d/geometry.ts";
import { shapeText } from "../elementwise.ts";

/** Kernel and stride per axis. */
export interface PoolAttrs {
  readonly stride: Dims3;
}

/** Attributes of the gradients: the size of the pooled input. */
export interface PoolGradientAttrs extends PoolAttrs {
  readonly size: Dims3;
}

function pooled(op: string, x: TensorSpec, { stride }: PoolAttrs): TensorSpec {
  const { n, c, size } = volume(op, "x", x);
  require(
    stride.every((s) => s === 1 || s === 2),
    op,
    `stride is ${stride.join("x")}, wanted 1 or 2 per axis`,
  );
  require(
    size.every((extent, a) => extent >= stride[a]),
    op,
    `size ${size.join("x")} is smaller than the window ${stride.join("x")}`,
  );
  return tensor([n, c, ...dims((a) => Math.floor(size[a] / stride[a]))]);
}

/** Calls `visit` for every window with the flat output index and the flat indices of its inputs. */
function forEachWindow(
  planes: number,
  inSize: Dims3,
  stride: Dims3,
  visit: (out: number, inputs: number[]) => void,
): void {
  const outSize = dims((a) => Math.floor(inSize[a] / stride[a]));
  let out = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let z = 0; z < outSize[0]; z++) {
      for (let y = 0; y < outSize[1]; y++) {
        for (let x = 0; x < outSize[2]; x++) {
          const inputs: number[] = [];
          for (let i = 0; i < stride[0]; i++) {
            for (let j = 0; j < stride[1]; j++) {
              for (let k = 0; k < stride[2]; k++) {
                const row = (plane * inSize[0] + z * stride[0] + i) * inSize[1] + y * stride[1] + j;
                inputs.push(row * inSize[2] + x * stride[2] + k);
              }
            }
          }
          visit(out++, inputs);
        }
      }
    }
  }
}

/** One thread handles a row of the coarse tensor; `each` sees `o` (coarse index) and `at` (first fine index of the window). */
function rowKernel(
  label: string,
  device: Parameters<typeof kernel>[0]["device"],
  coarse: TensorSpec,
  fineSize: Dims3,
  attrs: PoolAttrs,
  bindings: Parameters<typeof kernel>[0]["bindings"],
  each: string,
) {
  const [n, c, d, h, w] = coarse.shape;
  return kernel({
    label,
    device,
    bindings,
    params: {
      rows: n * c * d * h,
      outD: d,
      outH: h,
      outW: w,
      inD: fineSize[0],
      inH: fineSize[1],
      inW: fineSize[2],
    },
    groups: Math.ceil(n * c * d * h / WORKGROUP),
    body: `
if (tid >= p.rows) { return; }
let y = tid % p.outH; let z = (tid / p.outH) % p.outD; let plane = tid / (p.outH * p.outD);
let start = ((plane * p.inD + z * ${attrs.stride[0]}u) * p.inH + y * ${attrs.stride[1]}u) * p.inW;
for (var column = 0u; column < p.outW; column++) {
  let o = tid * p.outW + column;
  let at = start + column * ${attrs.stride[2]}u;
  ${each}
}`,
  });
}

/** WGSL offsets of the window's voxels from its first. */
function windowOffsets({ stride }: PoolAttrs): string[] {
  const offsets: string[] = [];
  for (let i = 0; i < stride[0]; i++) {
    for (let j = 0; j < stride[1]; j++) {
      for (let k = 0; k < stride[2]; k++) offsets.push(`(${i}u * p.inH + ${j}u) * p.inW + ${k}u`);
    }
  }
  return offsets;
}

/**
 * Mean over windows; windows that do not fit whole are dropped.
 *
 * Input `[N, C, D, H, W]`; output `[N, C, floor(D/s), ...]`.
 * @throws {ShapeError} for strides other than 1 and 2 or maps smaller than a window
 * Source: torch.nn.functional.avg_pool3d.
 */
export const avgPool3d: OpDef<PoolAttrs> = {
  name: "avgPool3d",
  infer: ([x], attrs) => [pooled("avgPool3d", x, attrs)],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower({ inputs: [x], outputs: [y], attrs, device }) {
    const offsets = windowOffsets(attrs);
    const bindings = [input(0, "x"), output(0, "out")];
    const size = x.shape.slice(2) as unknown as Dims3;
    const each = `out[o] = (${offsets.map((f) => `x[at + ${f}]`).join(" + ")}) * ${1 / offsets.length};`;
    return {
      variant: "rows",
      scratch: [],
      kernels: [rowKernel(`avgPool3d ${shapeText(y)}`, device, y, size, attrs, bindings, each)],
    };
  },
  gradient: ({ inputs: [x], gradients: [dy], attrs, apply }) => [
    apply(avgPool3dGradient, [dy!], { ...attrs, size: x.spec.shape.slice(2) as unknown as Dims3 })[0],
  ],
  reference({ inputs: [x], inputSpecs: [spec], outputSpecs: [out], attrs }) {
    const { n, c, size } = volume("avgPool3d", "x", spec);
    const y = new Float64Array(count([out]));
    forEachWindow(n * c, size, attrs.stride, (o, inputs) => {
      y[o] = inputs.reduce((sum, i) => sum + x[i], 0) / inputs.length;
    });
    return [y];
  },
};

/** `dx` of {@link avgPool3d}: every window's gradient spread evenly. Input `[dy]`; output `[N, C, ...size]`. */
export const avgPool3dGradient: OpDef<PoolGradientAttrs> = {
  name: "avgPool3dGradient",
  infer: ([dy], { size }) => [tensor([dy.shape[0], dy.shape[1], ...size])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [dy], outputs: [dx], attrs, device }) {
    const [n, c, d, h, w] = dx.shape;
    const { stride } = attrs;
    return {
      variant: "rows",
      scratch: [],
      kernels: [kernel({
        label: `avgPool3d.dx ${shapeText(dx)}`,
        device,
        bindings: [input(0, "dy"), output(0, "dx")],
        params: {
          rows: n * c * d * h,
          inD: d,
          inH: h,
          inW: w,
          outD: dy.shape[2],
          outH: dy.shape[3],
          outW: dy.shape[4],
        },
        groups: Math.ceil(n * c * d * h / WORKGROUP),
        body: `
if (tid >= p.rows) { return; }
let y = (tid % p.inH) / ${stride[1]}u; let z = ((tid / p.inH) % p.inD) / ${
          stride[0]
        }u; let plane = tid / (p.inH * p.inD);
let start = ((plane * p.outD + z) * p.outH + y) * p.outW;
let inside = y < p.outH && z < p.outD;
for (var column = 0u; column < p.inW; column++) {
  let x = column / ${stride[2]}u;
  dx[tid * p.inW + column] = select(0.0, dy[start + x] * ${1 / volumeOf(stride)}, inside && x < p.outW);
}`,
      })],
    };
  },
  reference({ inputs: [dy], outputSpecs: [spec], attrs }) {
    const dx = new Float64Array(count([spec]));
    forEachWindow(spec.shape[0] * spec.shape[1], attrs.size, attrs.stride, (o, inputs) => {
      for (const i of inputs) dx[i] += dy[o] / inputs.length;
    });
    return [dx];
  },
};

/**
 * Maximum over windows, as {@link avgPool3d}. The gradient goes to the first maximum of a window.
 * Source: torch.nn.functional.max_pool3d.
 */
export const maxPool3d: OpDef<PoolAttrs> = {
  name: "maxPool3d",
  infer: ([x], attrs) => [pooled("maxPool3d", x, attrs)],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower({ inputs: [x], outputs: [y], attrs, device }) {
    const size = x.shape.slice(2) as unknown as Dims3;
    const each = `var best = x[at];
  ${windowOffsets(attrs).map((f) => `best = max(best, x[at + ${f}]);`).join(" ")}
  out[o] = best;`;
    const bindings = [input(0, "x"), output(0, "out")];
    return {
      variant: "rows",
      scratch: [],
      kernels: [rowKernel(`maxPool3d ${shapeText(y)}`, device, y, size, attrs, bindings, each)],
    };
  },
  gradient: ({ inputs: [x], gradients: [dy], attrs, apply }) => [
    apply(maxPool3dGradient, [x, dy!], { ...attrs, size: x.spec.shape.slice(2) as unknown as Dims3 })[0],
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
  infer: ([x]) => [x],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [x, dy], outputs: [dx], attrs, device }) {
    const offsets = windowOffsets(attrs);
    const size = x.shape.slice(2) as unknown as Dims3;
    const bindings = [input(0, "x"), input(1, "dy"), output(0, "dx")];
    const clear = kernel({
      label: `maxPool3d.dx clear ${shapeText(dx)}`,
      device,
      bindings: [output(0, "dx")],
      params: { n: count([dx]) },
      groups: Math.ceil(count([dx]) / WORKGROUP),
      body: "if (tid < p.n) { dx[tid] = 0.0; }",
    });
    const each = `var best = at; ${
      offsets.map((f) => `{ let i = at + ${f}; if (x[i] > x[best]) { best = i; } }`).join(" ")
    } dx[best] = dy[o];`;
    return {
      variant: "rows",
      scratch: [],
      kernels: [clear, rowKernel(`maxPool3d.dx ${shapeText(dx)}`, device, dy, size, attrs, bindings, each)],
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
