/** Contents of benchmark inputs: deterministic, free of subnormal numbers, cheap to make at any size. */

/** What an input holds. */
export type Contents =
  | "noise" // in (-1, 1)
  | "mask" // 0 or 1
  | "positive" // in (0.5, 1.5)
  | "labels" // 0, 1 or 2
  | "transform" // rows of affineResample: a small rotation
  | "clip" // norm, scale, finite, 0
  | "scalars"; // learning rate, bias corrections, row

const PERIOD = 1 << 16;

function noiseAt(i: number, seed: number): number {
  let h = Math.imul(i + 1, 0x9e3779b1) + Math.imul(seed + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
}

const rotation = [0.98, -0.17, 0, 0.17, 0.98, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0];

/** `length` numbers; a long noise repeats every 65,536 elements. */
export function contents(kind: Contents, length: number, seed: number): Float32Array<ArrayBuffer> {
  const data = new Float32Array(length);
  if (kind === "transform") return data.map((_, i) => rotation[i % rotation.length]);
  if (kind === "clip") return data.map((_, i) => [1, 0.5, 1, 0][i % 4]);
  if (kind === "scalars") return data.map((_, i) => [1e-2, 0.1, 0.05, 0][i % 4]);
  const first = Math.min(length, PERIOD);
  for (let i = 0; i < first; i++) {
    const v = noiseAt(i, seed);
    data[i] = kind === "mask"
      ? (v > 0 ? 1 : 0)
      : kind === "positive"
      ? 1 + v / 2
      : kind === "labels"
      ? Math.floor((v + 1) * 1.5)
      : v;
  }
  for (let done = first; done < length; done *= 2) data.copyWithin(done, 0, Math.min(done, length - done));
  return data;
}
