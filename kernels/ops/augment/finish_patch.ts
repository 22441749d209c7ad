/** The last steps of augmentation: mirroring, masking of the image, labels without the mark of the outside. */
import type { OpDef } from "../../spec.ts";
import { input, output } from "../../wgsl/module.ts";
import { require, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { voxelMap } from "../voxel_map.ts";
import { SAMPLE_AT, SAMPLE_LENGTH } from "./parameters.ts";

/** Most channels: one bit each tells whether it is masked. */
const MOST_CHANNELS = 32;

/** Which channels of the image are 0 where the label is negative. */
export interface FinishPatchAttrs {
  readonly maskImage: readonly boolean[];
}

/**
 * Mirrors image and label where the sample's flags say so, then sets masked channels to 0 where the label is negative, then negative
 * labels to 0.
 *
 * Inputs image `[N, C, D, H, W]`, label `[N, 1, D, H, W]`, parameters `[N, 16 or more]`, see parameters.ts, all f32; outputs image and
 * label of these shapes. No gradient.
 * @throws {ShapeError} when the tensors do not fit together or there are more than 32 channels
 * Source: batchgeneratorsv2 `MirrorTransform`, `MaskImageTransform`, `RemoveLabelTansform(-1, 0)`.
 */
export const finishPatch: OpDef<FinishPatchAttrs> = {
  name: "finishPatch",
  infer([image, label, parameters], { maskImage }) {
    const { n, c, size } = volume("finishPatch", "image", image);
    requireSingle("finishPatch", "image", image);
    requireSingle("finishPatch", "label", label);
    require(
      sameShape(label.shape, [n, 1, ...size]),
      "finishPatch",
      `label has shape [${label.shape}], wanted [${[n, 1, ...size]}]`,
      label.shape,
      [n, 1, ...size],
    );
    require(
      parameters.shape.length === 2 && parameters.shape[0] === n && parameters.shape[1] >= SAMPLE_LENGTH,
      "finishPatch",
      `parameters have shape [${parameters.shape}], wanted [${n}, ${SAMPLE_LENGTH} or more]`,
      parameters.shape,
    );
    require(
      maskImage.length === c && c <= MOST_CHANNELS,
      "finishPatch",
      `${maskImage.length} channels are told masked or not, image has ${c}, at most ${MOST_CHANNELS} are possible`,
      maskImage.length,
      c,
    );
    return [image, label];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
  lower({ inputs: [image, , parameters], attrs: { maskImage }, device }) {
    const masked = maskImage.reduce((bits, mask, c) => mask ? (bits | 1 << c) >>> 0 : bits, 0);
    return {
      variant: "flat",
      scratch: [],
      kernels: [voxelMap({
        label: `finishPatch ${shapeText(image)}`,
        device,
        spec: image,
        bindings: [
          input(0, "image"),
          input(1, "label"),
          input(2, "parameters"),
          output(0, "imageOut"),
          output(1, "labelOut"),
        ],
        params: { row: parameters.shape[1], d: image.shape[2], masked },
        declarations:
          `fn flipped(o: u32, extent: u32, flag: bool) -> u32 { return select(o, extent - 1u - o, flag); }`,
        before: `
let m = n * p.row + ${SAMPLE_AT.mirror}u;
let flipD = parameters[m] != 0.0;
let flipH = parameters[m + 1u] != 0.0;
let flipW = parameters[m + 2u] != 0.0;
let masks = (p.masked & (1u << c)) != 0u;`,
        each: `
let source = (flipped(vz, p.d, flipD) * p.h + flipped(vy, p.h, flipH)) * p.w + flipped(vx, p.w, flipW);
let found = label[n * p.voxels + source];
imageOut[i] = select(image[nc * p.voxels + source], 0.0, masks && found < 0.0);
if (c == 0u) { labelOut[n * p.voxels + v] = max(found, 0.0); }`,
      })],
    };
  },
  reference({ inputs: [image, label, parameters], inputSpecs: [spec], attrs: { maskImage } }) {
    const { n, c, size: [d, h, w], voxels } = volume("finishPatch", "image", spec);
    const imageOut = new Float64Array(image.length), labelOut = new Float64Array(label.length);
    for (let sample = 0; sample < n; sample++) {
      const flips = parameters.subarray(sample * parameters.length / n + SAMPLE_AT.mirror);
      for (let v = 0; v < voxels; v++) {
        const o = [Math.floor(v / (h * w)), Math.floor(v / w) % h, v % w];
        const [z, y, x] = o.map((i, axis) => flips[axis] !== 0 ? [d, h, w][axis] - 1 - i : i);
        const from = (z * h + y) * w + x, found = label[sample * voxels + from];
        labelOut[sample * voxels + v] = Math.max(found, 0);
        for (let channel = 0; channel < c; channel++) {
          const base = (sample * c + channel) * voxels;
          imageOut[base + v] = maskImage[channel] && found < 0 ? 0 : image[base + from];
        }
      }
    }
    return [imageOut, labelOut];
  },
};
