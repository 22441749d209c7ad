/** Block tensors to volumes and back, in float64: how references of operations on blocks are made from dense ones. */
import type { TensorSpec } from "../../spec.ts";
import { volume } from "../check.ts";
import { blockEdgeOf, blockGridOf, cellCount } from "./table.ts";

/** Calls `visit(stored, voxel)` with flat indices of every element of the kept blocks and of the volume `[N, C, D, H, W]`. */
export function forEachKept(
  spec: TensorSpec,
  table: Float64Array,
  visit: (stored: number, voxel: number) => void,
): void {
  const { grid, kept } = blockGridOf(spec)!;
  const [e0, e1, e2] = blockEdgeOf(spec);
  const [n, c] = spec.shape;
  const cells = cellCount(grid);
  const [h, w] = [grid[1] * e1, grid[2] * e2];
  const voxels = grid[0] * e0 * h * w;
  const stride = 1 + cells + kept;
  for (let sample = 0; sample < n; sample++) {
    for (let channel = 0; channel < c; channel++) {
      const plane = sample * c + channel;
      for (let k = 0; k < table[sample * stride]; k++) {
        const cell = table[sample * stride + 1 + cells + k];
        const z0 = Math.floor(cell / (grid[1] * grid[2])) * e0;
        const y0 = (Math.floor(cell / grid[2]) % grid[1]) * e1;
        const x0 = (cell % grid[2]) * e2;
        let stored = (plane * kept + k) * e0 * e1 * e2;
        for (let z = 0; z < e0; z++) {
          for (let y = 0; y < e1; y++) {
            const row = plane * voxels + ((z0 + z) * h + y0 + y) * w + x0;
            for (let x = 0; x < e2; x++) visit(stored++, row + x);
          }
        }
      }
    }
  }
}

/** The dense volume `[N, C, D, H, W]` of a tensor in any layout: hidden voxels are `fill` (by channel) or 0. */
export function toVolume(
  spec: TensorSpec,
  data: Float64Array,
  table: Float64Array | undefined,
  fill?: Float64Array,
): Float64Array {
  if (spec.layout.kind === "dense") return data;
  const { n, c, voxels } = volume("toVolume", "x", spec);
  const dense = new Float64Array(n * c * voxels);
  if (fill) dense.forEach((_, i) => dense[i] = fill[Math.floor(i / voxels) % c]);
  forEachKept(spec, table!, (stored, voxel) => dense[voxel] = data[stored]);
  return dense;
}

/** The kept voxels of a dense volume in the layout of `spec`; 0 in unused blocks. */
export function fromVolume(
  spec: TensorSpec,
  dense: Float64Array,
  table: Float64Array | undefined,
): Float64Array {
  if (spec.layout.kind === "dense") return dense;
  const data = new Float64Array(spec.shape.reduce((a, b) => a * b, 1));
  forEachKept(spec, table!, (stored, voxel) => data[stored] = dense[voxel]);
  return data;
}

/** Which voxels of the volume are in kept blocks: `[N, 1, D, H, W]`, 1 = kept. */
export function keptVoxels(spec: TensorSpec, table: Float64Array): Float64Array {
  const [n, , ...rest] = spec.shape;
  const one = { ...spec, shape: [n, 1, ...rest] };
  return toVolume(one, new Float64Array(rest.reduce((a, b) => a * b, n)).fill(1), table);
}

/** Spec of the dense volume that a tensor is cut from; itself when it is dense. */
export function volumeSpec(spec: TensorSpec): TensorSpec {
  if (spec.layout.kind === "dense") return spec;
  const { n, c, size } = volume("volumeSpec", "x", spec);
  return { shape: [n, c, ...size], dtype: spec.dtype, layout: { kind: "dense" } };
}
