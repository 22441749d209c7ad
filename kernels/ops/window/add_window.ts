/** Adding the logits of a window, weighted, to the planes that windows share. */
import type { OpDef, TensorSpec } from "../../spec.ts";
import { input, kernel, load, output, WORKGROUP } from "../../wgsl/module.ts";
import { require, requireFloat, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Elements of `place` of {@link addWindow}: first plane in the ring, first row, first column, mirrored axes. */
export const WINDOW_PLACE = 6;

/**
 * `ring[(plane + z) mod R, c, row + y, column + x] += a[z] * b[y] * c[x] * logits[0, c, z', y', x']`, mirrored along the flagged axes.
 *
 * The ring holds R planes of a volume that is longer: plane i of the volume lies at i mod R. Rows of the window outside the ring's
 * are left out. Every element is touched by one thread, so windows added in the same order give the same bits.
 *
 * Inputs: ring `[R, C, H, W]`, a state; logits `[1, C, D, h, w]`, f32 or f16; weights `[D + h + w]`, a, b and c one after the other;
 * place `[6]`, i32: plane (0 to R - 1), row (may be negative), column, and 1 for each mirrored axis, otherwise 0. Output: the ring,
 * updated in place. No gradient.
 * @throws {ShapeError} when the shapes do not fit
 */
export const addWindow: OpDef<Record<string, never>> = {
  name: "addWindow",
  updates: [[0, 0]],
  infer([ring, logits, weights, place]) {
    const { n, c, size } = volume("addWindow", "logits", logits);
    requireSingle("addWindow", "ring", ring);
    requireFloat("addWindow", "logits", logits);
    const [planes, channels, , width] = ring.shape;
    require(
      ring.shape.length === 4 && n === 1 && channels === c && planes >= size[0] && width >= size[2],
      "addWindow",
      `ring has shape [${ring.shape}], wanted [R, ${c}, H, W] that holds a window [${logits.shape}]`,
      ring.shape,
      logits.shape,
    );
    const axes = size[0] + size[1] + size[2];
    require(
      sameShape(weights.shape, [axes]) && sameShape(place.shape, [WINDOW_PLACE]) && place.dtype === "i32",
      "addWindow",
      `weights have shape [${weights.shape}] and place ${place.dtype} [${place.shape}], wanted [${axes}] and i32 [${WINDOW_PLACE}]`,
    );
    return [ring];
  },
  cost([, logits, weights, place]) {
    const window = { ...logits, dtype: "f32" as const };
    return streamCost([logits, weights, place, window], [window], 4 * elements(logits));
  },
  lower({ inputs: [ring, logits, weights, place], outputs: [sum], device }) {
    const [, c, d, h, w] = logits.shape;
    const from = input(1, "logits", logits);
    return {
      variant: "scatter",
      scratch: [],
      kernels: [kernel({
        label: `addWindow ${shapeText(logits)}`,
        device,
        bindings: [output(0, "ring", sum), from, input(2, "weights", weights), input(3, "place", place)],
        params: {
          total: elements(logits),
          planes: ring.shape[0],
          height: ring.shape[2],
          width: ring.shape[3],
          c,
          d,
          h,
          w,
        },
        groups: Math.ceil(elements(logits) / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let line = tid / p.w; let slice = line / p.h; let channel = slice / p.d;
let at = vec3u(slice - channel * p.d, line - slice * p.h, tid - line * p.w);
let row = place[1] + i32(at.y);
if (row < 0 || row >= i32(p.height)) { return; }
let size = vec3u(p.d, p.h, p.w);
let seen = select(at, size - 1u - at, vec3i(place[3], place[4], place[5]) == vec3i(1));
let plane = (u32(place[0]) + at.x) % p.planes;
let weight = weights[at.x] * weights[p.d + at.y] * weights[p.d + p.h + at.z];
let to = ((plane * p.c + channel) * p.height + u32(row)) * p.width + u32(place[2]) + at.z;
ring[to] += weight * ${load(from, "((channel * p.d + seen.x) * p.h + seen.y) * p.w + seen.z")};`,
      })],
    };
  },
  reference({ inputs: [ring, logits, weights, place], inputSpecs: [held, { shape: [, c, d, h, w] }] }) {
    const [planes, , height, width] = held.shape;
    const sum = ring.slice();
    const seen = (at: number, size: number, axis: number) => place[3 + axis] === 1 ? size - 1 - at : at;
    for (let i = 0; i < c * d * h * w; i++) {
      const line = Math.floor(i / w), slice = Math.floor(line / h), channel = Math.floor(slice / d);
      const z = slice % d, y = line % h, x = i % w, row = place[1] + y;
      if (row < 0 || row >= height) continue;
      const from = ((channel * d + seen(z, d, 0)) * h + seen(y, h, 1)) * w + seen(x, w, 2);
      const to = (((place[0] + z) % planes * c + channel) * height + row) * width + place[2] + x;
      sum[to] += weights[z] * weights[d + y] * weights[d + h + x] * logits[from];
    }
    return [sum];
  },
};

function elements({ shape }: TensorSpec): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
