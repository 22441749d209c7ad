import type { Dims3 } from "../../data/volume.ts";

/**
 * Direct evaluation of the cubic spline resize, float64: the interpolation conditions are solved as a dense linear system on the padded
 * axis, and every output voxel is the triple sum over 4x4x4 coefficients. No recursion, no separable passes over the image.
 */
export function naiveSplineResize(data: ArrayLike<number>, shape: Dims3, newShape: Dims3): Float64Array {
  const padding = 12;
  const padded = shape.map((size) => size + 2 * padding) as unknown as Dims3;
  const [pd, ph, pw] = padded;
  const coefficients = new Float64Array(pd * ph * pw);
  const clamp = (at: number, size: number) => Math.min(Math.max(at - padding, 0), size - 1);
  for (let z = 0; z < pd; z++) {
    for (let y = 0; y < ph; y++) {
      for (let x = 0; x < pw; x++) {
        const from = (clamp(z, shape[0]) * shape[1] + clamp(y, shape[1])) * shape[2] + clamp(x, shape[2]);
        coefficients[(z * ph + y) * pw + x] = data[from];
      }
    }
  }
  solveAlong(coefficients, pd, ph * pw, 1, ph * pw);
  for (let z = 0; z < pd; z++) {
    solveAlong(coefficients.subarray(z * ph * pw, (z + 1) * ph * pw), ph, pw, 1, pw);
  }
  for (let row = 0; row < pd * ph; row++) {
    solveAlong(coefficients.subarray(row * pw, (row + 1) * pw), pw, 1, 1, 1);
  }

  const output = new Float64Array(newShape[0] * newShape[1] * newShape[2]);
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < data.length; i++) [low, high] = [Math.min(low, data[i]), Math.max(high, data[i])];
  let to = 0;
  for (let z = 0; z < newShape[0]; z++) {
    for (let y = 0; y < newShape[1]; y++) {
      for (let x = 0; x < newShape[2]; x++) {
        const at = [z, y, x].map((o, axis) => (o + 0.5) * shape[axis] / newShape[axis] - 0.5 + padding);
        let sum = 0;
        for (let k = Math.ceil(at[0] - 2); k <= at[0] + 2; k++) {
          for (let j = Math.ceil(at[1] - 2); j <= at[1] + 2; j++) {
            for (let i = Math.ceil(at[2] - 2); i <= at[2] + 2; i++) {
              const weight = cubicBSpline(at[0] - k) * cubicBSpline(at[1] - j) * cubicBSpline(at[2] - i);
              if (weight !== 0) sum += weight * coefficients[(k * ph + j) * pw + i];
            }
          }
        }
        output[to++] = Math.min(Math.max(sum, low), high);
      }
    }
  }
  return output;
}

/** The cubic B-spline: 2/3 - t^2 + |t|^3/2 for |t| < 1, (2 - |t|)^3/6 for |t| < 2. */
function cubicBSpline(t: number): number {
  const a = Math.abs(t);
  return a < 1 ? 2 / 3 - a * a + a * a * a / 2 : a < 2 ? (2 - a) ** 3 / 6 : 0;
}

/** Solves c[i-1]/6 + 2c[i]/3 + c[i+1]/6 = s[i] with c[-1] = c[0] and c[n] = c[n-1] by elimination, for `columns` right-hand sides. */
function solveAlong(
  values: Float64Array,
  n: number,
  columns: number,
  columnStep: number,
  step: number,
): void {
  const diagonal = new Float64Array(n).fill(2 / 3);
  diagonal[0] += 1 / 6;
  diagonal[n - 1] += 1 / 6;
  for (let i = 1; i < n; i++) {
    const factor = (1 / 6) / diagonal[i - 1];
    diagonal[i] -= factor / 6;
    for (let c = 0; c < columns; c++) {
      values[i * step + c * columnStep] -= factor * values[(i - 1) * step + c * columnStep];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = 0; c < columns; c++) {
      const above = i === n - 1 ? 0 : values[(i + 1) * step + c * columnStep] / 6;
      const at = i * step + c * columnStep;
      values[at] = (values[at] - above) / diagonal[i];
    }
  }
}
