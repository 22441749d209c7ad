/**
 * Section "Augmentation" of nnU-Net's training written down once more, plainly and in float64, for one sample: what the graph of
 * kernels is compared with. It shares no code with the operations but the noise, which is defined by its counters.
 */
import {
  CHANNEL_AT,
  CHANNEL_LENGTH,
  SAMPLE_AT,
  SAMPLE_LENGTH,
} from "../../../kernels/ops/augment/parameters.ts";
import { standardNormal } from "../../../kernels/ops/intensity/gaussian_noise.ts";
import type { Dims3 } from "../../../kernels/spec.ts";

/** A volume that answers everywhere. */
interface Volume {
  readonly size: Dims3;
  readonly at: (z: number, y: number, x: number) => number;
}

function volumeOf(data: ArrayLike<number>, size: Dims3, outside: number): Volume {
  const at = (z: number, y: number, x: number) =>
    z < 0 || y < 0 || x < 0 || z >= size[0] || y >= size[1] || x >= size[2]
      ? outside
      : data[(z * size[1] + y) * size[2] + x];
  return { size, at };
}

function render(size: Dims3, value: (o: Dims3) => number): Float64Array {
  const out = new Float64Array(size[0] * size[1] * size[2]);
  let i = 0;
  for (let z = 0; z < size[0]; z++) {
    for (let y = 0; y < size[1]; y++) {
      for (let x = 0; x < size[2]; x++) out[i++] = value([z, y, x]);
    }
  }
  return out;
}

function trilinear({ at }: Volume, q: readonly number[], of: (value: number) => number): number {
  const [z, y, x] = q.map(Math.floor), [tz, ty, tx] = [q[0] - z, q[1] - y, q[2] - x];
  const row = (a: number, b: number) => (1 - tx) * of(at(a, b, x)) + tx * of(at(a, b, x + 1));
  const plane = (a: number) => (1 - ty) * row(a, y) + ty * row(a, y + 1);
  return (1 - tz) * plane(z) + tz * plane(z + 1);
}

function statistics(v: Float64Array) {
  let [sum, min, max] = [0, Infinity, -Infinity];
  for (const x of v) [sum, min, max] = [sum + x, Math.min(min, x), Math.max(max, x)];
  const mean = sum / v.length;
  let squares = 0;
  for (const x of v) squares += (x - mean) ** 2;
  return { mean, min, max, std: Math.sqrt(squares / (v.length - 1)) };
}

function gamma(image: Float64Array, exponent: number): Float64Array {
  const { mean, std, min, max } = statistics(image), range = Math.max(max - min, 1e-7);
  const y = image.map((x) => ((x - min) / range) ** exponent * range + min);
  const after = statistics(y);
  return y.map((v) => (v - after.mean) * std / Math.max(after.std, 1e-7) + mean);
}

/** A sample as it goes in: crop `[C, ...cropSize]`, label `[...cropSize]`, its row of parameters. */
export interface TranscribedSample {
  readonly crop: Float32Array;
  readonly label: Float32Array;
  readonly cropSize: Dims3;
  readonly row: Float32Array;
  readonly patch: Dims3;
  readonly maskImage: readonly boolean[];
}

/** Steps 1 to 11. @returns image `[C, ...patch]` and label `[...patch]` */
export function transcribedAugmentation(
  sample: TranscribedSample,
): { image: Float64Array; label: Float64Array } {
  const { crop, label, cropSize, row, patch, maskImage } = sample;
  const voxels = cropSize[0] * cropSize[1] * cropSize[2];
  const position = (o: Dims3) =>
    cropSize.map((p, i) => {
      const r = o.map((v, k) => v - (patch[k] - 1) / 2);
      return row[3 * i] * r[0] + row[3 * i + 1] * r[1] + row[3 * i + 2] * r[2] + (p - 1) / 2;
    });
  const fired = row[SAMPLE_AT.interpolate] !== 0;
  const start = cropSize.map((p, i) => Math.floor((p - patch[i]) / 2));
  const source = volumeOf(label, cropSize, NaN);
  const values = [...new Set(label)].sort((a, b) => a - b);
  let mask = render(patch, (o) => {
    if (!fired) return source.at(o[0] + start[0], o[1] + start[1], o[2] + start[2]);
    const q = position(o);
    let result: number | undefined;
    for (const u of values) if (trilinear(source, q, (v) => (v === u ? 1 : 0)) >= 0.5) result = u;
    const touchesOutside = trilinear(source, q, (v) => (Number.isNaN(v) ? 1 : 0)) > 0;
    return result ?? (touchesOutside ? -1 : 0);
  });
  const flip = (data: Float64Array) => {
    const from = volumeOf(data, patch, NaN);
    const at = (o: Dims3, i: number) => row[SAMPLE_AT.mirror + i] ? patch[i] - 1 - o[i] : o[i];
    return render(patch, (o) => from.at(at(o, 0), at(o, 1), at(o, 2)));
  };
  mask = flip(mask);
  const channels = maskImage.map((masked, c) => {
    const channel = volumeOf(crop.subarray(c * voxels, (c + 1) * voxels), cropSize, 0);
    const image = render(
      patch,
      (o) =>
        fired
          ? trilinear(channel, position(o), (v) => v)
          : channel.at(o[0] + start[0], o[1] + start[1], o[2] + start[2]),
    );
    const changed = flip(intensities(image, row, c, patch));
    return changed.map((v, i) => masked && mask[i] < 0 ? 0 : v);
  });
  const image = new Float64Array(channels.length * mask.length);
  channels.forEach((channel, c) => image.set(channel, c * mask.length));
  return { image, label: mask.map((v) => v === -1 ? 0 : v) };
}

/** Steps 2 to 8 of one channel. */
function intensities(start: Float64Array, row: Float32Array, c: number, patch: Dims3): Float64Array {
  let image = start;
  const of = row.subarray(SAMPLE_LENGTH + c * CHANNEL_LENGTH);
  const sigma = row[SAMPLE_AT.noiseSigma], [a, b] = row.subarray(SAMPLE_AT.noiseKey);
  if (sigma > 0) image = image.map((v, i) => v + sigma * standardNormal(i, a + c * 2 ** 24, b));
  if (of[CHANNEL_AT.blurSigma] > 0) {
    for (const axis of [0, 1, 2]) image = blur(image, patch, axis, of[CHANNEL_AT.blurSigma + axis]);
  }
  if (of[CHANNEL_AT.brightness] > 0) image = image.map((v) => v * of[CHANNEL_AT.brightness]);
  if (of[CHANNEL_AT.contrast] > 0) {
    const { mean, min, max } = statistics(image), f = of[CHANNEL_AT.contrast];
    image = image.map((v) => Math.min(max, Math.max(min, (v - mean) * f + mean)));
  }
  if (of[CHANNEL_AT.lowSize] > 0) {
    const low = [0, 1, 2].map((axis) => of[CHANNEL_AT.lowSize + axis]) as unknown as Dims3;
    image = coarse(image, patch, low);
  }
  if (of[CHANNEL_AT.gammaInverted] > 0) {
    image = gamma(image.map((v) => -v), of[CHANNEL_AT.gammaInverted]).map((v) => -v);
  }
  if (of[CHANNEL_AT.gamma] > 0) image = gamma(image, of[CHANNEL_AT.gamma]);
  return image;
}

function blur(image: Float64Array, size: Dims3, axis: number, sigma: number): Float64Array {
  const from = volumeOf(image, size, NaN);
  const wanted = 6 * sigma + 0.5, nearestOdd = wanted < 4 ? 3 : wanted < 6 ? 5 : 7; // sigma within [0.5, 1]
  const width = Math.min(nearestOdd, 2 * size[axis] - 1);
  const offsets = Array.from({ length: width }, (_, k) => k - (width - 1) / 2);
  const weights = offsets.map((k) => Math.exp(-k * k / (2 * sigma * sigma)));
  const whole = weights.reduce((x, y) => x + y);
  return render(size, (o) =>
    offsets.reduce((sum, k, i) => {
      const at = [...o], last = size[axis] - 1;
      at[axis] = Math.abs(o[axis] + k);
      if (at[axis] > last) at[axis] = 2 * last - at[axis];
      return sum + weights[i] / whole * from.at(at[0], at[1], at[2]);
    }, 0));
}

function coarse(image: Float64Array, size: Dims3, low: Dims3): Float64Array {
  const from = volumeOf(image, size, NaN);
  const nearest = (j: number, i: number) => Math.floor((j + 0.5) * size[i] / low[i]);
  const small = render(low, (j) => from.at(nearest(j[0], 0), nearest(j[1], 1), nearest(j[2], 2)));
  const held = volumeOf(small, low, NaN);
  const edge: Volume = {
    size: low,
    at: (...o) => {
      const [z, y, x] = o.map((v, i) => Math.min(Math.max(v, 0), low[i] - 1));
      return held.at(z, y, x);
    },
  };
  return render(size, (o) => trilinear(edge, o.map((v, i) => (v + 0.5) * low[i] / size[i] - 0.5), (v) => v));
}
