/** A lower resolution, simulated. */
import { scratch } from "../../wgsl/module.ts";
import { CHANNEL_AT } from "../augment/parameters.ts";
import { shapeText } from "../elementwise.ts";
import {
  CHANNEL_PLACE,
  forEachChannel,
  IMAGE,
  IMAGE_READ,
  intensityOp,
  lowerInPlace,
  PARAMETERS,
} from "./in_place.ts";
import { voxelMap } from "../voxel_map.ts";

const SKIP = `${CHANNEL_PLACE}\nif (parameters[at + ${CHANNEL_AT.lowSize}u] == 0.0) { return; }`;

/** Where a voxel of one axis lies among those of the small image, and the voxels of the large one that these two are. */
const ALONG = `
struct Along { first: u32, second: u32, t: f32 }
fn along(o: u32, extent: u32, size: f32) -> Along {
  let small = u32(size);
  let q = max(0.0, (f32(o) + 0.5) * (size / f32(extent)) - 0.5);
  let j = u32(floor(q));
  let next = min(j + 1u, small - 1u);
  return Along((2u * j + 1u) * extent / (2u * small), (2u * next + 1u) * extent / (2u * small), q - f32(j));
}`;

/**
 * The image made smaller by nearest neighbours and enlarged again trilinearly.
 *
 * With small size L and size F along an axis, voxel j of the small image is voxel `floor((j + 1/2) F / L)`, and voxel o of the result
 * lies at `max(0, (o + 1/2) L / F - 1/2)` of the small image, whose last voxel goes on.
 *
 * Inputs image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]` (`lowSize`, at most the image's), see parameters.ts; output
 * like image. Channels whose first size is 0 are left as they are. No gradient.
 * @throws {ShapeError} when the tensors do not fit
 * Source: batchgeneratorsv2 `SimulateLowResolutionTransform`; `torch.nn.functional.interpolate` modes nearest-exact and trilinear.
 */
export const lowResolution = intensityOp<Record<string, never>>("lowResolution", 40, {
  lower(request) {
    const { inputs: [x, { shape: [, row] }], device } = request;
    const d = x.shape[2];
    const low = scratch(0, "low", "read_write", "f32");
    const common = { device, spec: x };
    return lowerInPlace(request, "lowResolution", [x], [
      voxelMap({
        ...common,
        label: `lowResolution ${shapeText(x)}`,
        bindings: [PARAMETERS, IMAGE_READ, low],
        params: { row, d },
        declarations: ALONG,
        before: SKIP,
        each: `
let az = along(vz, p.d, parameters[at + ${CHANNEL_AT.lowSize}u]);
let ay = along(vy, p.h, parameters[at + ${CHANNEL_AT.lowSize + 1}u]);
let ax = along(vx, p.w, parameters[at + ${CHANNEL_AT.lowSize + 2}u]);
let base = nc * p.voxels;
let row00 = base + (az.first * p.h + ay.first) * p.w;
let row01 = base + (az.first * p.h + ay.second) * p.w;
let row10 = base + (az.second * p.h + ay.first) * p.w;
let row11 = base + (az.second * p.h + ay.second) * p.w;
let near = mix(mix(y[row00 + ax.first], y[row00 + ax.second], ax.t), mix(y[row01 + ax.first], y[row01 + ax.second], ax.t), ay.t);
let far = mix(mix(y[row10 + ax.first], y[row10 + ax.second], ax.t), mix(y[row11 + ax.first], y[row11 + ax.second], ax.t), ay.t);
low[i] = mix(near, far, az.t);`,
      }),
      voxelMap({
        ...common,
        label: `lowResolution back ${shapeText(x)}`,
        bindings: [PARAMETERS, { ...low, access: "read" }, IMAGE],
        params: { row },
        before: SKIP,
        each: "y[i] = low[i];",
      }),
    ]);
  },
  reference: ({ inputs: [image, parameters], inputSpecs: [spec] }) => [
    forEachChannel(image, parameters, spec, ({ voxels, channel }) => {
      const small = [0, 1, 2].map((axis) => channel[CHANNEL_AT.lowSize + axis]);
      if (small[0] === 0) return;
      const [d, h, w] = spec.shape.slice(2), source = voxels.slice();
      const taps = [d, h, w].map((extent, axis) =>
        Array.from({ length: extent }, (_, o) => lowTaps(o, extent, small[axis]))
      );
      for (let v = 0; v < voxels.length; v++) {
        const [z, y, x] = [Math.floor(v / (h * w)), Math.floor(v / w) % h, v % w];
        voxels[v] = 0;
        for (const [a, wa] of taps[0][z]) {
          for (const [b, wb] of taps[1][y]) {
            for (const [c, wc] of taps[2][x]) voxels[v] += wa * wb * wc * source[(a * h + b) * w + c];
          }
        }
      }
    }),
  ],
});

/** The two voxels that voxel o of an axis is made of, with their weights. */
function lowTaps(
  o: number,
  extent: number,
  small: number,
): readonly (readonly [voxel: number, weight: number])[] {
  const q = Math.max(0, (o + 0.5) * small / extent - 0.5), j = Math.floor(q);
  const nearest = (k: number) => Math.floor((2 * k + 1) * extent / (2 * small));
  return [[nearest(j), 1 - (q - j)], [nearest(Math.min(j + 1, small - 1)), q - j]];
}
