import type { Rng } from "../random.ts";
import type { Dims3 } from "../volume.ts";

/** How one subject lies in the scanner and what the scanner adds; lengths in mm, angles in radians. */
export interface Acquisition {
  readonly shape: Dims3;
  readonly spacing: Dims3;
  /** head coordinates (x, y, z) of the middle of the field of view */
  readonly centre: readonly [number, number, number];
  /** rotation of the head about x, y, z */
  readonly pose: readonly [number, number, number];
  /** size of the head along x, y, z, relative to the model */
  readonly size: readonly [number, number, number];
  /** standard deviation of the smooth displacements */
  readonly warpMm: number;
  /** standard deviation of the logarithm of the smooth gain (coil sensitivity) */
  readonly bias: number;
  /** standard deviation of the noise in each channel, relative to the brightest tissue */
  readonly noise: number;
  /** stored value of signal 1 */
  readonly gain: number;
}

/** Draws an acquisition: 0.9 to 1.5 mm isotropic or, one in three, thick slices of 1.5 to 2 mm along a random axis. */
export function drawAcquisition(
  rng: Rng,
  fixed: { readonly spacing?: Dims3; readonly shape?: Dims3 },
): Acquisition {
  const between = (low: number, high: number) => low + (high - low) * rng.uniform();
  const isotropic = between(0.9, 1.5);
  const drawn = [isotropic, isotropic, isotropic];
  if (rng.uniform() < 1 / 3) {
    drawn.fill(between(0.8, 1.1));
    drawn[rng.int(0, 2)] = between(1.5, 2);
  }
  const spacing = fixed.spacing ?? drawn.map((mm) => Math.round(mm * 100) / 100) as unknown as Dims3;
  const fieldOfView = [between(185, 215), between(215, 240), between(170, 190)]; // z, y, x
  const top = between(103, 112); // mm above the origin where the field of view ends
  return {
    spacing,
    shape: fixed.shape ?? fieldOfView.map((mm, axis) => Math.round(mm / spacing[axis])) as unknown as Dims3,
    centre: [between(-3, 3), between(-10, 0), top - fieldOfView[0] / 2],
    pose: [between(-0.12, 0.12), between(-0.06, 0.06), between(-0.06, 0.06)],
    size: [between(0.94, 1.05), between(0.93, 1.05), between(0.94, 1.05)],
    warpMm: between(1, 2),
    bias: between(0.04, 0.14),
    noise: between(0.01, 0.03),
    gain: Math.round(between(300, 2000)),
  };
}

/** Rotation matrix Rx Ry Rz, row-major, angles in radians. */
export function rotation([a, b, c]: readonly [number, number, number]): number[] {
  const [ca, sa, cb, sb, cc, sc] = [
    Math.cos(a),
    Math.sin(a),
    Math.cos(b),
    Math.sin(b),
    Math.cos(c),
    Math.sin(c),
  ];
  return [
    cb * cc,
    -cb * sc,
    sb,
    ca * sc + sa * sb * cc,
    ca * cc - sa * sb * sc,
    -sa * cb,
    sa * sc - ca * sb * cc,
    sa * cc + ca * sb * sc,
    ca * cb,
  ];
}

/**
 * Adds the noise of a magnitude image: independent normal noise in the real and imaginary channel, then the magnitude.
 * Source: Gudbjartsson and Patz 1995, "The Rician distribution of noisy MRI data".
 *
 * @param sigma standard deviation in each channel, in the unit of `data`
 */
export function addRicianNoise(data: Float32Array, sigma: number, rng: Rng): void {
  const normals = Float32Array.from({ length: 65536 }, () => rng.normal()); // two table look-ups a voxel: 10 x faster than drawing
  for (let i = 0; i < data.length; i++) {
    const bits = rng.uint32();
    const real = data[i] + sigma * normals[bits & 0xffff], imaginary = sigma * normals[bits >>> 16];
    data[i] = Math.sqrt(real * real + imaginary * imaginary);
  }
}
