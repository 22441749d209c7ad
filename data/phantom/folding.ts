import type { Rng } from "../random.ts";
import { drawWaves, waveGradient, waveValue } from "./waves.ts";

const SIZE = 120; // texels along a cube face: about 1 mm on the brain's surface

/**
 * Folding pattern of a cortex as a function of direction from the brain's centre.
 *
 * Sulci are the zero lines of a narrow-band random field on the sphere: such a field has winding ridges of nearly equal
 * width, as gyri have. Half of the field is mirror-symmetric, so both hemispheres resemble but do not equal each other.
 * Values are tabulated on the six faces of a cube and read by bilinear interpolation.
 */
export class Folding {
  /** `[6, SIZE, SIZE, 2]`: signed distance to the nearest sulcus in radians, and sulcal depth 0..1 */
  readonly #table = new Float32Array(6 * SIZE * SIZE * 2);
  /** Result of `read`: signed distance to the nearest sulcus on the unit sphere. */
  distance = 0;
  /** Result of `read`: depth of that sulcus, 0 (shallow) to 1 (deep). */
  depth = 0;

  /**
   * @param wavelength radians from one gyrus to the next but one; about 0.3 on an adult brain
   */
  constructor(rng: Rng, wavelength: number) {
    const mirrored = drawWaves(rng, 14, wavelength * 0.82, wavelength * 1.25);
    const free = drawWaves(rng, 14, wavelength * 0.82, wavelength * 1.25);
    const depth = drawWaves(rng, 8, 0.5, 1.1);
    const slope = 2 * Math.PI / wavelength * Math.sqrt(2 / 3); // expected length of the tangential gradient
    const gradient = new Float64Array(3);
    for (let face = 0, at = 0; face < 6; face++) {
      for (let row = 0; row < SIZE; row++) {
        for (let column = 0; column < SIZE; column++, at += 2) {
          const [x, y, z] = direction(face, (column + 0.5) / SIZE * 2 - 1, (row + 0.5) / SIZE * 2 - 1);
          gradient.fill(0);
          let value = 0.8 * waveGradient(mirrored, Math.abs(x), y, z, gradient);
          if (x < 0) gradient[0] = -gradient[0];
          for (let i = 0; i < 3; i++) gradient[i] *= 0.8 / 0.6;
          value += 0.6 * waveGradient(free, x, y, z, gradient);
          for (let i = 0; i < 3; i++) gradient[i] *= 0.6;
          const radial = gradient[0] * x + gradient[1] * y + gradient[2] * z;
          const square = gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2 - radial ** 2;
          this.#table[at] = value / Math.sqrt(Math.max(0, square) + (0.22 * slope) ** 2);
          this.#table[at + 1] = 0.5 + 0.5 * Math.tanh(1.2 * waveValue(depth, x, y, z));
        }
      }
    }
  }

  /** Looks up a direction, which need not have length 1; sets `distance` and `depth`. */
  read(x: number, y: number, z: number): void {
    const ax = Math.abs(x), ay = Math.abs(y), az = Math.abs(z);
    let face = z > 0 ? 4 : 5, u = x / az, v = y / az;
    if (ax >= ay && ax >= az) {
      face = x > 0 ? 0 : 1;
      u = y / ax;
      v = z / ax;
    } else if (ay >= az) {
      face = y > 0 ? 2 : 3;
      u = x / ay;
      v = z / ay;
    }
    const column = Math.max(0, Math.min(SIZE - 1.001, (u + 1) / 2 * SIZE - 0.5));
    const row = Math.max(0, Math.min(SIZE - 1.001, (v + 1) / 2 * SIZE - 0.5));
    const c = column | 0, r = row | 0, fc = column - c, fr = row - r, t = this.#table;
    const a = ((face * SIZE + r) * SIZE + c) * 2, b = a + SIZE * 2;
    this.distance = (t[a] * (1 - fc) + t[a + 2] * fc) * (1 - fr) + (t[b] * (1 - fc) + t[b + 2] * fc) * fr;
    this.depth = (t[a + 1] * (1 - fc) + t[a + 3] * fc) * (1 - fr) +
      (t[b + 1] * (1 - fc) + t[b + 3] * fc) * fr;
  }
}

/** Unit vector through a point of a cube face; u and v in -1..1. Inverse of the choice made in `read`. */
function direction(face: number, u: number, v: number): [number, number, number] {
  const side = face % 2 === 0 ? 1 : -1, length = Math.sqrt(1 + u * u + v * v);
  if (face < 2) return [side / length, u / length, v / length];
  if (face < 4) return [u / length, side / length, v / length];
  return [u / length, v / length, side / length];
}
