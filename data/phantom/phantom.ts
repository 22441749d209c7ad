import { hashRandom, type Rng } from "../random.ts";
import { type Affine, diagonalAffine, type Dims3, makeVolume, type Volume, voxelCount } from "../volume.ts";
import { type Acquisition, addRicianNoise, drawAcquisition, rotation } from "./acquisition.ts";
import { Brain } from "./brain.ts";
import { drawSignals, PHANTOM_CONTRASTS, type PhantomContrast } from "./contrast.ts";
import { headDistance, type HeadShape, paintHead } from "./head.ts";
import { PHANTOM_LABELS } from "./labels.ts";
import { drawLesions, type Lesion, lesionDistance } from "./lesions.ts";
import { VoxelPainter } from "./painter.ts";
import { HeadPoint } from "./point.ts";
import { CoarseFields, drawWaves, waveValue } from "./waves.ts";

/** Which head to generate. The same values give the same voxels. */
export interface PhantomRequest {
  readonly seed: number;
  /** number of the subject; each has its own anatomy */
  readonly subject: number;
  /** drawn when left out */
  readonly contrast?: PhantomContrast;
  /** add white-matter lesions, default false */
  readonly lesions?: boolean;
  /** mm along z, y, x; drawn when left out */
  readonly spacing?: Dims3;
  /** voxels along z, y, x; drawn to hold the head when left out */
  readonly shape?: Dims3;
}

/** A generated head with the structure of every voxel. */
export interface Phantom {
  readonly image: Volume;
  readonly labels: LabelVolume;
  readonly contrast: PhantomContrast;
}

/** Labels of `PHANTOM_LABELS` on the grid of the image, `[D, H, W]`. */
export interface LabelVolume {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly shape: Dims3;
  readonly affine: Affine;
}

/** Keys of the random streams, so that for example the noise does not depend on how the anatomy is drawn. */
const STREAM = {
  key: 0x68656164,
  anatomy: 1,
  warp: 2,
  scan: 3,
  signals: 4,
  lesions: 5,
  noise: 6,
  contrast: 7,
} as const;
const NODE_MM = 4.5; // spacing of the coarse lattice that carries the smooth fields
const AIR_MM = 6; // farther outside the head than this there is only air
const BEND_MM = 3.5; // standard deviation of the displacement of sulci

/**
 * Generates a head as magnetic resonance imaging shows it: scalp, skull, face, fluid, a folded cortical ribbon, white
 * matter, ventricles, deep nuclei, cerebellum, brain stem. Anatomy, pose, contrast, gain field, noise, voxel size and field of
 * view differ between subjects. All structures are analytic shapes in a smoothly deformed space, evaluated on the grid.
 *
 * Axes point right, anterior, superior (x, y, z).
 *
 * @example
 * ```ts
 * const { image, labels } = generatePhantom({ seed: 1, subject: 0, contrast: "T1w", spacing: [6, 6, 6] });
 * labels.data.length === image.data.length; // true
 * ```
 */
export function generatePhantom(request: PhantomRequest): Phantom {
  const stream = (part: number) => hashRandom(request.seed, STREAM.key, request.subject, part);
  const scan = drawAcquisition(stream(STREAM.scan), request);
  const contrast = request.contrast ?? PHANTOM_CONTRASTS[stream(STREAM.contrast).int(0, 2)];
  const anatomy = stream(STREAM.anatomy);
  const brain = new Brain(anatomy);
  const head: HeadShape = {
    skinMm: 1.6 + 0.6 * anatomy.uniform(),
    fatMm: 2.5 + 3 * anatomy.uniform(),
    boneMm: 5 + 2.5 * anatomy.uniform(),
    subarachnoidMm: brain.shape.sulcusMm * 1.5 + 1,
  };
  const signals = drawSignals(contrast, stream(STREAM.signals));
  const lesions: Lesion[] = request.lesions ? drawLesions(stream(STREAM.lesions)) : [];
  const { shape, spacing } = scan;
  const data = new Float32Array(voxelCount(shape));
  const labels = new Uint8Array(data.length);
  const painter = new VoxelPainter(Math.cbrt(spacing[0] * spacing[1] * spacing[2]));
  const point = new HeadPoint();
  const fields = coarseFields(
    scan,
    stream(STREAM.warp),
    (x, y, z) => headDistance(head, brain.hull(x, y, z), x, y, z),
  );
  const at = new Float64Array(fields.channels);
  for (let d = 0, i = 0; d < shape[0]; d++) {
    for (let h = 0; h < shape[1]; h++) {
      fields.selectRow(d, h);
      for (let w = 0; w < shape[2]; w++, i++) {
        if (fields.readFirst(w) < -AIR_MM) {
          data[i] = signals.air * scan.gain;
          continue;
        }
        fields.read(w, at);
        const x = point.x = at[1], y = point.y = at[2], z = point.z = at[3];
        point.texture = at[5];
        for (let axis = 0; axis < 3; axis++) point.bend[axis] = at[6 + axis];
        const hull = brain.hull(x, y, z);
        painter.cover("background", signals.air);
        if (paintHead(painter, signals, head, hull, headDistance(head, hull, x, y, z), point)) {
          brain.paint(painter, signals, point);
          if (lesions.length > 0 && painter.label === PHANTOM_LABELS.white_matter) {
            painter.layer("lesion", signals.lesion, lesionDistance(lesions, point.texture, x, y, z));
          }
        }
        data[i] = painter.signal * (1 + 0.02 * point.texture) * at[4] * scan.gain;
        labels[i] = painter.label;
      }
    }
  }
  addRicianNoise(data, scan.noise * scan.gain, stream(STREAM.noise));
  const half = (axis: number) => (shape[axis] - 1) / 2 * spacing[axis];
  const affine = diagonalAffine(spacing, [
    scan.centre[0] - half(2),
    scan.centre[1] - half(1),
    scan.centre[2] - half(0),
  ]);
  return { image: makeVolume(data, shape, affine), labels: { data: labels, shape, affine }, contrast };
}

/**
 * Channels: 0 signed distance to the head's surface, mm; 1-3 head coordinates x, y, z in mm after pose, size and
 * deformation; 4 gain; 5 texture of variance 1; 6-8 displacement of sulci, mm.
 */
function coarseFields(
  scan: Acquisition,
  rng: Rng,
  distance: (x: number, y: number, z: number) => number,
): CoarseFields {
  const { shape, spacing, centre, size, warpMm } = scan;
  const turn = rotation(scan.pose);
  const large = [0, 1, 2].map(() => drawWaves(rng, 8, 70, 140));
  const bend = [0, 1, 2].map(() => drawWaves(rng, 8, 22, 45));
  const gain = drawWaves(rng, 6, 180, 400), texture = drawWaves(rng, 20, 9, 18);
  const steps = spacing.map((mm) => Math.max(1, Math.round(NODE_MM / mm))) as unknown as Dims3;
  return new CoarseFields(shape, steps, 9, (d, h, w, out) => {
    const x = (w - (shape[2] - 1) / 2) * spacing[2] + centre[0];
    const y = (h - (shape[1] - 1) / 2) * spacing[1] + centre[1];
    const z = (d - (shape[0] - 1) / 2) * spacing[0] + centre[2];
    for (let axis = 0; axis < 3; axis++) {
      const turned = turn[3 * axis] * x + turn[3 * axis + 1] * y + turn[3 * axis + 2] * z;
      out[1 + axis] = turned / size[axis] + warpMm * waveValue(large[axis], x, y, z);
    }
    out[0] = distance(out[1], out[2], out[3]);
    if (out[0] < -2 * NODE_MM - AIR_MM) return; // no voxel around this node needs the other fields
    out[4] = Math.exp(scan.bias * waveValue(gain, x, y, z));
    out[5] = waveValue(texture, x, y, z);
    for (let axis = 0; axis < 3; axis++) out[6 + axis] = BEND_MM * waveValue(bend[axis], x, y, z);
  });
}
