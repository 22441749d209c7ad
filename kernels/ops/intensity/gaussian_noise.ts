/** Additive Gaussian noise from counters. */
import { SAMPLE_AT } from "../augment/parameters.ts";
import { shapeText } from "../elementwise.ts";
import { forEachChannel, IMAGE, intensityOp, lowerInPlace, PARAMETERS } from "./in_place.ts";
import { voxelMap } from "../voxel_map.ts";

const HASH = `
fn mixed(counter: vec3u) -> vec3u {
  var v = counter * 1664525u + 1013904223u;
  v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
  return v;
}`;

/**
 * `x + sigma * z` with z standard normal, a pure function of (key of the sample, channel, voxel).
 *
 * Inputs image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]` (`noiseSigma`, `noiseKey`), see parameters.ts; output like
 * image. Samples whose sigma is 0 are left as they are. The same device gives the same bits; devices differ in the last digits of
 * `log` and `cos`; the `log` of a number just below 1 may come out above 0. No gradient.
 * @throws {ShapeError} when the tensors do not fit
 * Source: hash pcg3d of Jarzynski and Olano 2020 (JCGT 9(3)); Box and Muller 1958.
 */
export const gaussianNoise = intensityOp<Record<string, never>>("gaussianNoise", 40, {
  lower(request) {
    const { inputs: [x, parameters], device } = request;
    return lowerInPlace(request, "gaussianNoise", [], [voxelMap({
      label: `gaussianNoise ${shapeText(x)}`,
      device,
      spec: x,
      bindings: [PARAMETERS, IMAGE],
      params: { row: parameters.shape[1] },
      declarations: HASH,
      before: `
let sigma = parameters[n * p.row + ${SAMPLE_AT.noiseSigma}u];
if (sigma == 0.0) { return; }
let key = vec2u(u32(parameters[n * p.row + ${SAMPLE_AT.noiseKey}u]), u32(parameters[n * p.row + ${
        SAMPLE_AT.noiseKey + 1
      }u]));`,
      each: `
let bits = mixed(vec3u(v, key.x + (c << 24u), key.y)) >> vec3u(8u);
let radius = sqrt(max(0.0, -2.0 * log((f32(bits.x) + 0.5) * ${2 ** -24})));
y[i] += sigma * radius * cos(${2 * Math.PI} * (f32(bits.y) * ${2 ** -24} - 0.5));`,
    })]);
  },
  reference: ({ inputs: [image, parameters], inputSpecs: [spec] }) => [
    forEachChannel(image, parameters, spec, ({ voxels, sample, c }) => {
      const sigma = sample[SAMPLE_AT.noiseSigma];
      if (sigma === 0) return;
      const [a, b] = [sample[SAMPLE_AT.noiseKey], sample[SAMPLE_AT.noiseKey + 1]];
      for (let v = 0; v < voxels.length; v++) voxels[v] += sigma * standardNormal(v, a + c * 2 ** 24, b);
    }),
  ],
});

/** The standard normal number of a counter of three 32-bit words. */
export function standardNormal(x: number, y: number, z: number): number {
  const v = [x, y, z].map((word) => (Math.imul(word, 1664525) + 1013904223) | 0);
  const stir = () => {
    v[0] = (v[0] + Math.imul(v[1], v[2])) | 0;
    v[1] = (v[1] + Math.imul(v[2], v[0])) | 0;
    v[2] = (v[2] + Math.imul(v[0], v[1])) | 0;
  };
  stir();
  for (let k = 0; k < 3; k++) v[k] ^= v[k] >>> 16;
  stir();
  const [first, second] = v.map((word) => word >>> 8);
  const radius = Math.sqrt(-2 * Math.log((first + 0.5) * 2 ** -24));
  return radius * Math.cos(2 * Math.PI * (second * 2 ** -24 - 0.5));
}
