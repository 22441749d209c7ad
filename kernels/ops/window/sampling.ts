/** Reading logits between the voxels of a ring of planes: shape rule, WGSL and reference shared by what is made of them. */
import type { TensorSpec } from "../../spec.ts";
import { type Binding, input } from "../../wgsl/module.ts";
import { require, requireSingle, sameShape } from "../check.ts";

/** How a box of output voxels is read from a ring of logits. */
export interface SamplingAttrs {
  /** Output voxels `[planes, rows, columns]`. */
  readonly box: readonly [planes: number, rows: number, columns: number];
  /** Axes along which two neighbours are mixed; along the others the first is taken. */
  readonly linear: readonly [boolean, boolean, boolean];
}

/** Inputs of an operation that samples: ring, taps, fractions, in this order. */
export const SAMPLING_INPUTS = 3;

/**
 * Requires ring `[R, C, H, W]`, f32, taps `[planes + rows + columns, 2]`, i32, and fractions `[planes + rows + columns]`.
 *
 * Taps hold, for every output plane, row and column, the two positions in the ring; fractions are the weights of the second ones.
 * @throws {ShapeError}
 */
export function requireSampling(
  op: string,
  [ring, taps, fractions]: readonly TensorSpec[],
  { box }: SamplingAttrs,
): void {
  requireSingle(op, "ring", ring);
  require(ring.shape.length === 4, op, `ring has shape [${ring.shape}], wanted [R, C, H, W]`, ring.shape);
  const lines = box[0] + box[1] + box[2];
  require(
    taps.dtype === "i32" && sameShape(taps.shape, [lines, 2]) && sameShape(fractions.shape, [lines]),
    op,
    `taps are ${taps.dtype} [${taps.shape}] and fractions [${fractions.shape}], wanted i32 [${lines}, 2] and [${lines}]`,
    taps.shape,
    [lines, 2],
  );
}

/** Bindings of the three inputs. */
export function samplingBindings([ring, taps, fractions]: readonly TensorSpec[]): readonly Binding[] {
  return [input(0, "ring", ring), input(1, "taps", taps), input(2, "fractions", fractions)];
}

/** Members of the uniform block that {@link samplingDeclarations} reads. */
export function samplingParams(ring: TensorSpec, { box }: SamplingAttrs): Record<string, number> {
  const [, c, h, w] = ring.shape;
  return { planes: box[0], rows: box[1], columns: box[2], c, channel: h * w, width: w };
}

/**
 * WGSL: `Spot`, where an output voxel lies; `spotOf(voxel)`; `logit(spot, channel)`, mixed along the linear axes.
 */
export function samplingDeclarations({ linear }: SamplingAttrs): string {
  const mixed = (axis: number, offsets: readonly string[]): string => {
    if (axis === 3) return `ring[${offsets.join(" + ")} + shift]`;
    const first = mixed(axis + 1, [...offsets, `s.first[${axis}]`]);
    if (!linear[axis]) return first;
    const second = mixed(axis + 1, [...offsets, `s.second[${axis}]`]);
    return `((1.0 - s.fraction[${axis}]) * ${first} + s.fraction[${axis}] * ${second})`;
  };
  return `
struct Spot { first: vec3u, second: vec3u, fraction: vec3f }
fn spotOf(voxel: u32) -> Spot {
  let line = voxel / p.columns; let plane = line / p.rows;
  let at = vec3u(plane, p.planes + line - plane * p.rows, p.planes + p.rows + voxel - line * p.columns);
  let step = vec3u(p.c * p.channel, p.width, 1u);
  let first = vec3u(vec3i(taps[2u * at.x], taps[2u * at.y], taps[2u * at.z]));
  let second = vec3u(vec3i(taps[2u * at.x + 1u], taps[2u * at.y + 1u], taps[2u * at.z + 1u]));
  return Spot(first * step, second * step, vec3f(fractions[at.x], fractions[at.y], fractions[at.z]));
}
fn logit(s: Spot, channel: u32) -> f32 {
  let shift = channel * p.channel;
  return ${mixed(0, [])};
}`;
}

/** The same in float64: logit of an output voxel and channel. */
export function sampleReference(
  [ring, taps, fractions]: readonly Float64Array[],
  { shape: [, c, h, w] }: TensorSpec,
  { box, linear }: SamplingAttrs,
): (voxel: number, channel: number) => number {
  const start = [0, box[0], box[0] + box[1]];
  return (voxel, channel) => {
    const line = Math.floor(voxel / box[2]);
    const at = [Math.floor(line / box[1]), line % box[1], voxel % box[2]].map((v, axis) => start[axis] + v);
    let sum = 0;
    for (let corner = 0; corner < 8; corner++) {
      let weight = 1;
      const from = at.map((k, axis) => {
        const second = (corner >> axis) & 1;
        const fraction = linear[axis] ? fractions[k] : 0;
        weight *= second ? fraction : 1 - fraction;
        return taps[2 * k + second];
      });
      if (weight !== 0) sum += weight * ring[((from[0] * c + channel) * h + from[1]) * w + from[2]];
    }
    return sum;
  };
}
