/** Mirroring of volumes along axes that are data, so that one plan serves every combination. */
import type { OpDef } from "../../spec.ts";
import { input, kernel, load, output, store, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, requireFloat, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/**
 * `y[n, c, z, y, x] = x[n, c, D-1-z, ...]` along every axis whose flag is 1.
 *
 * Inputs x `[N, C, D, H, W]`, f32 or f16, and flags `[3]`, i32: 1 for the axes to mirror, otherwise 0. Output like x. No gradient:
 * prediction only.
 * @throws {ShapeError} when x is no volume or the flags are not three integers
 */
export const mirror: OpDef<Record<string, never>> = {
  name: "mirror",
  infer([x, flags]) {
    volume("mirror", "x", x);
    requireFloat("mirror", "x", x);
    require(
      flags.dtype === "i32" && sameShape(flags.shape, [3]),
      "mirror",
      `flags are ${flags.dtype} [${flags.shape}], wanted i32 [3]`,
      flags.shape,
      [3],
    );
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
  lower({ inputs: [x, flags], outputs: [y], device }) {
    const { size: [d, h, w] } = volume("mirror", "x", x);
    const from = input(0, "x", x), to = output(0, "out", y);
    return {
      variant: "copy",
      scratch: [],
      kernels: [kernel({
        label: `mirror ${shapeText(x)}`,
        device,
        bindings: [from, input(1, "flags", flags), to],
        params: { total: count([y]), d, h, w },
        groups: Math.ceil(count([y]) / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let row = tid / p.w; let plane = row / p.h; let channel = plane / p.d;
let at = vec3u(plane - channel * p.d, row - plane * p.h, tid - row * p.w);
let size = vec3u(p.d, p.h, p.w);
let seen = select(at, size - 1u - at, vec3i(flags[0], flags[1], flags[2]) == vec3i(1));
${store(to, "tid", load(from, "((channel * p.d + seen.x) * p.h + seen.y) * p.w + seen.z"))}`,
      })],
    };
  },
  reference({ inputs: [x, flags], inputSpecs: [spec] }) {
    const { size: [d, h, w] } = volume("mirror", "x", spec);
    const seen = (at: number, size: number, axis: number) => flags[axis] === 1 ? size - 1 - at : at;
    return [x.map((_, i) => {
      const row = Math.floor(i / w), plane = Math.floor(row / h), channel = Math.floor(plane / d);
      const z = seen(plane % d, d, 0), y = seen(row % h, h, 1);
      return x[((channel * d + z) * h + y) * w + seen(i % w, w, 2)];
    })];
  },
};
