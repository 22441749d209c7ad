/** Average pooling between the scales of MS-SSIM. */
import {
  type Dims3,
  elementCount,
  type Lowering,
  type LowerRequest,
  type OpDef,
  tensor,
  type TensorSpec,
} from "../../spec.ts";
import { input, kernel, output } from "../../wgsl/module.ts";
import type { NoAttrs } from "../add/op.ts";
import { require, sameShape, streamCost, volume } from "../check.ts";
import { rowGroups, shapeText } from "../elementwise.ts";

function halved(spec: TensorSpec): TensorSpec {
  const { n, c, size } = volume("halve", "x", spec);
  return tensor([n, c, ...size.map((extent) => Math.ceil(extent / 2))]);
}

/** Sizes, row counts and paddings for one thread a row of the output. */
function rowLowering(
  request: LowerRequest<unknown>,
  label: string,
  large: TensorSpec,
  small: TensorSpec,
  body: string,
): Lowering {
  const [d, h, w] = large.shape.slice(2) as unknown as Dims3;
  const rows = elementCount(request.outputs[0].shape.slice(0, 4));
  return {
    variant: "rows",
    scratch: [],
    kernels: [kernel({
      label: `${label} ${shapeText(large)}`,
      device: request.device,
      bindings: [input(0, "source"), output(0, "target_")],
      params: {
        rows,
        d,
        h,
        w,
        od: small.shape[2],
        oh: small.shape[3],
        ow: small.shape[4],
        pd: d % 2,
        ph: h % 2,
        pw: w % 2,
      },
      groups: rowGroups(rows),
      body: `if (tid < p.rows) {\n${body}\n}`,
    })],
  };
}

/**
 * Mean of 2x2x2 windows, stride 2; an odd axis is padded by one zero in front, which counts in the mean.
 *
 * Input `[x]` `[N, C, D, H, W]`; output `[N, C, ceil(D/2), ceil(H/2), ceil(W/2)]`.
 * Source: torch.nn.functional.avg_pool3d with padding = size mod 2, as between the scales in pytorch-msssim.
 */
export const halve: OpDef<NoAttrs> = {
  name: "halve",
  infer: ([x]) => [halved(x)],
  cost: (inputs, outputs) => streamCost(inputs, outputs, elementCount(inputs[0].shape)),
  lower: (request) =>
    rowLowering(
      request,
      "halve",
      request.inputs[0],
      request.outputs[0],
      `
let y = tid % p.oh;
let z = (tid / p.oh) % p.od;
let image = tid / (p.oh * p.od);
for (var x = 0u; x < p.ow; x++) {
  var sum = 0.0;
  for (var dz = 0u; dz < 2u; dz++) {
    let sz = 2u * z + dz - p.pd;
    for (var dy = 0u; dy < 2u; dy++) {
      let sy = 2u * y + dy - p.ph;
      if (sz < p.d && sy < p.h) {
        let at = ((image * p.d + sz) * p.h + sy) * p.w;
        let sx = 2u * x - p.pw;
        if (sx < p.w) { sum += source[at + sx]; }
        if (sx + 1u < p.w) { sum += source[at + sx + 1u]; }
      }
    }
  }
  target_[tid * p.ow + x] = sum * 0.125;
}`,
    ),
  gradient({ inputs: [x], gradients: [dy], apply }) {
    return [apply(halveGradient, [dy!], { size: x.spec.shape.slice(2) as unknown as Dims3 })[0]];
  },
  reference({ inputs: [x], inputSpecs: [spec], outputSpecs: [out] }) {
    const y = new Float64Array(elementCount(out.shape));
    eachVoxel(spec, out, (large, small) => y[small] += x[large] / 8);
    return [y];
  },
};

/**
 * Gradient of {@link halve}: every voxel gets an eighth of its window's gradient.
 *
 * Input `[dy]`; output `[N, C, ...size]`.
 * @throws {ShapeError} when `size` does not halve to dy's
 */
export const halveGradient: OpDef<{ size: Dims3 }> = {
  name: "halveGradient",
  infer([dy], { size }) {
    const dx = tensor([...dy.shape.slice(0, 2), ...size]);
    require(
      sameShape(halved(dx).shape, dy.shape),
      "halveGradient",
      `dy has shape [${dy.shape}], which is not half of ${size.join("x")}`,
    );
    return [dx];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, elementCount(outputs[0].shape)),
  lower: (request) =>
    rowLowering(
      request,
      "halve.dx",
      request.outputs[0],
      request.inputs[0],
      `
let y = tid % p.h;
let z = (tid / p.h) % p.d;
let image = tid / (p.h * p.d);
let at = ((image * p.od + (z + p.pd) / 2u) * p.oh + (y + p.ph) / 2u) * p.ow;
for (var x = 0u; x < p.w; x++) { target_[tid * p.w + x] = 0.125 * source[at + (x + p.pw) / 2u]; }`,
    ),
  reference({ inputs: [dy], inputSpecs: [spec], outputSpecs: [out] }) {
    const dx = new Float64Array(elementCount(out.shape));
    eachVoxel(out, spec, (large, small) => dx[large] = dy[small] / 8);
    return [dx];
  },
};

/** Calls `visit` with the flat indices of every voxel and of the pooled voxel it belongs to. */
function eachVoxel(
  large: TensorSpec,
  small: TensorSpec,
  visit: (large: number, small: number) => void,
): void {
  const [n, c, d, h, w] = large.shape;
  const [, , od, oh, ow] = small.shape;
  let at = 0;
  for (let image = 0; image < n * c; image++) {
    for (let z = 0; z < d; z++) {
      for (let y = 0; y < h; y++) {
        const row = ((image * od + ((z + d % 2) >> 1)) * oh + ((y + h % 2) >> 1)) * ow;
        for (let x = 0; x < w; x++) visit(at++, row + ((x + w % 2) >> 1));
      }
    }
  }
}
