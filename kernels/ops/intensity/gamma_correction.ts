/** Gamma correction that keeps mean and standard deviation. */
import { CHANNEL_AT } from "../augment/parameters.ts";
import { shapeText } from "../elementwise.ts";
import { CHANNEL_PLACE, forEachChannel, IMAGE, intensityOp, lowerInPlace, PARAMETERS } from "./in_place.ts";
import { statisticsOf } from "./statistics.ts";
import { statisticsBinding, statisticsKernels, statisticsScratch } from "./statistics.wgsl.ts";
import { voxelMap } from "../voxel_map.ts";

/** Smallest range and standard deviation that are divided by. */
const SMALLEST = 1e-7;

/** Whether the image is negated before and after. */
export interface GammaCorrectionAttrs {
  readonly inverted: boolean;
}

const CORRECTED = `
fn corrected(x: f32, least: f32, range: f32, exponent: f32) -> f32 {
  let u = clamp((p.sign * x - least) / range, 0.0, 1.0);
  return select(pow(u, exponent), 0.0, u == 0.0) * range + least;
}`;
const CURVE = `
let exponent = parameters[at + p.place];
let found = before[2u * nc + 1u];
let least = -select(found.y, found.x, p.sign > 0.0);
let range = max(${SMALLEST}, found.x + found.y);`;

/**
 * `((x - min) / r)^g * r + min` with `r = max(max - min, 1e-7)` of the channel, then shifted and scaled back to the mean and standard
 * deviation before; inverted: of -x, and negated again.
 *
 * Inputs image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]` (`gamma` or `gammaInverted`), see parameters.ts; output like
 * image. Channels whose exponent is 0 are left as they are. The power is taken twice, once for its mean and deviation, so that the
 * image is written once. No gradient.
 * @throws {ShapeError} when the tensors do not fit
 * Source: batchgeneratorsv2 `GammaTransform` that retains statistics.
 */
export const gammaCorrection = intensityOp<GammaCorrectionAttrs>("gammaCorrection", 120, {
  lower(request) {
    const { inputs: [x, { shape: [, row] }], attrs: { inverted }, device } = request;
    const place = inverted ? "gammaInverted" : "gamma";
    const label = inverted ? "gammaCorrection inverted" : "gammaCorrection";
    const params = { sign: { f32: inverted ? -1 : 1 }, place: CHANNEL_AT[place] };
    const before = statisticsBinding(1, "before");
    const common = { label, device, image: x, row, place, partials: 0 } as const;
    return lowerInPlace(request, label, [...statisticsScratch(x), statisticsScratch(x)[1]], [
      ...statisticsKernels({ ...common, statistics: 1 }),
      ...statisticsKernels({
        ...common,
        statistics: 2,
        of: {
          value: "corrected(x, least, range, exponent)",
          before: CURVE,
          declarations: CORRECTED,
          bindings: [before],
          params,
        },
      }),
      voxelMap({
        label: `${label} ${shapeText(x)}`,
        device,
        spec: x,
        bindings: [PARAMETERS, before, statisticsBinding(2, "after"), IMAGE],
        params: { row, ...params },
        declarations: CORRECTED,
        before: `
${CHANNEL_PLACE}
if (parameters[at + p.place] == 0.0) { return; }
${CURVE}
let mean = p.sign * before[2u * nc].y;
let degrees = max(1.0, before[2u * nc].x - 1.0);
let deviation = sqrt(before[2u * nc].z / degrees);
let scale = deviation / max(${SMALLEST}, sqrt(after[2u * nc].z / degrees));`,
        each: `
y[i] = p.sign * ((corrected(y[i], least, range, exponent) - after[2u * nc].y) * scale + mean);`,
      }),
    ]);
  },
  reference: ({ inputs: [image, parameters], inputSpecs: [spec], attrs: { inverted } }) => [
    forEachChannel(image, parameters, spec, ({ voxels, channel }) => {
      const exponent = channel[CHANNEL_AT[inverted ? "gammaInverted" : "gamma"]];
      if (exponent === 0) return;
      const sign = inverted ? -1 : 1, x = voxels.map((v) => sign * v);
      const { mean, std, min, max } = statisticsOf(x);
      const range = Math.max(max - min, SMALLEST);
      const curved = x.map((v) => ((v - min) / range) ** exponent * range + min);
      const after = statisticsOf(curved);
      const scale = std / Math.max(after.std, SMALLEST);
      curved.forEach((v, i) => voxels[i] = sign * ((v - after.mean) * scale + mean));
    }),
  ],
});
