/** Brightness and contrast. */
import { CHANNEL_AT } from "../augment/parameters.ts";
import { shapeText } from "../elementwise.ts";
import { CHANNEL_PLACE, forEachChannel, IMAGE, intensityOp, lowerInPlace, PARAMETERS } from "./in_place.ts";
import { statisticsOf } from "./statistics.ts";
import { statisticsBinding, statisticsKernels, statisticsScratch } from "./statistics.wgsl.ts";
import { voxelMap } from "../voxel_map.ts";

/**
 * First `x * b`, then `clamp((x - mean) * f + mean, min, max)` with mean, minimum and maximum of the channel at that point.
 *
 * Inputs image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]` (`brightness` b > 0, `contrast` f), see parameters.ts;
 * output like image. A factor of 0 leaves its half out. The statistics are those of x, scaled, so that one pass does both. No gradient.
 * @throws {ShapeError} when the tensors do not fit
 * Source: batchgeneratorsv2 `MultiplicativeBrightnessTransform`, `ContrastTransform` with its range preserved.
 */
export const brightnessContrast = intensityOp<Record<string, never>>("brightnessContrast", 12, {
  lower(request) {
    const { inputs: [x, { shape: [, row] }], device } = request;
    return lowerInPlace(request, "brightnessContrast", statisticsScratch(x), [
      ...statisticsKernels({
        label: "brightnessContrast",
        device,
        image: x,
        row,
        place: "contrast",
        partials: 0,
        statistics: 1,
      }),
      voxelMap({
        label: `brightnessContrast ${shapeText(x)}`,
        device,
        spec: x,
        bindings: [PARAMETERS, statisticsBinding(1, "statistics"), IMAGE],
        params: { row },
        before: `
${CHANNEL_PLACE}
let brightness = parameters[at + ${CHANNEL_AT.brightness}u];
let contrast = parameters[at + ${CHANNEL_AT.contrast}u];
if (brightness == 0.0 && contrast == 0.0) { return; }
let b = select(brightness, 1.0, brightness == 0.0);
var mean = 0.0; var least = 0.0; var most = 0.0;
if (contrast != 0.0) {
  mean = b * statistics[2u * nc].y;
  least = -b * statistics[2u * nc + 1u].x;
  most = b * statistics[2u * nc + 1u].y;
}`,
        each: `
let x = b * y[i];
y[i] = select(x, clamp((x - mean) * contrast + mean, least, most), contrast != 0.0);`,
      }),
    ]);
  },
  reference: ({ inputs: [image, parameters], inputSpecs: [spec] }) => [
    forEachChannel(image, parameters, spec, ({ voxels, channel }) => {
      const brightness = channel[CHANNEL_AT.brightness], contrast = channel[CHANNEL_AT.contrast];
      if (brightness !== 0) voxels.forEach((x, i) => voxels[i] = x * brightness);
      if (contrast === 0) return;
      const { mean, min, max } = statisticsOf(voxels);
      voxels.forEach((x, i) => voxels[i] = Math.min(Math.max((x - mean) * contrast + mean, min), max));
    }),
  ],
});
