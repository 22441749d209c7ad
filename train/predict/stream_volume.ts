import type { Dims3 } from "../../kernels/spec.ts";
import { PredictionError } from "./errors.ts";
import {
  compileRing,
  type DecidedBox,
  type LabelDecision,
  LogitsRing,
  type RingSetup,
} from "./logits_ring.ts";
import { planRings } from "./ring_plan.ts";
import { type LogitResampling, samplingAxes } from "./sampling_axis.ts";
import type { WindowNetwork } from "./window_network.ts";
import { windowGrid } from "./windows.ts";

/** Device memory of a prediction in all, bytes, unless a caller says otherwise. */
export const GPU_MEMORY_BYTES = 4 * 2 ** 30;
/** What rings may take where the network leaves less of the memory. */
const LEAST_RING_BYTES = 2 ** 30;

/** What {@linkcode streamVolume} takes. */
export interface StreamVolumeOptions {
  /** `[C, D, H, W]`, preprocessed as in training. */
  readonly image: Float32Array;
  readonly shape: Dims3;
  /** Grid that logits are interpolated to; that of the image when left out. */
  readonly target?: LogitResampling;
  readonly labels: LabelDecision;
  /** Distance of windows as a share of the patch, 0.5 when left out. */
  readonly step?: number;
  /** Axes over whose mirror images logits are averaged; none when left out. */
  readonly mirrorAxes?: readonly number[];
  /** Device memory in all, 4 GiB when left out. Less means more passes, not other results. */
  readonly memoryBytes?: number;
  /** Windows queued before the host waits, 4 when left out. */
  readonly windowBatch?: number;
  /** Called after every window that was queued. */
  readonly onWindow?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Takes the output box by box: planes in order within a band of rows; rows where bands overlap come twice, equal. */
  readonly onBox: (box: OutputBox) => void | Promise<void>;
}

/** Output voxels that are decided. */
export interface OutputBox extends DecidedBox {
  readonly start: Dims3;
  readonly size: Dims3;
}

/**
 * Slides a window over a volume and decides the label of every voxel of a target grid.
 *
 * Windows run in C order of their positions. Their logits, averaged over mirror images and folds and weighted by Gaussians, add up in
 * f32 in a ring of planes on the device. Planes that no further window reaches are interpolated to the target grid and decided there,
 * and only labels come back: memory depends on the patch and the cross-section of the volume, not on its length.
 *
 * @returns number of windows
 * @throws {PredictionError} when logits are not finite
 * @throws {LimitError} when not even single rows fit
 * @throws {DeviceError} when memory runs out or the device fails
 * Source: `predict_sliding_window_return_logits` and `convert_predicted_logits_to_segmentation` of nnU-Net v2
 */
export async function streamVolume(network: WindowNetwork, options: StreamVolumeOptions): Promise<number> {
  const { image, shape, labels, signal } = options;
  const { patch, folds } = network.options;
  const windows = windowGrid(shape, patch, options.step ?? 0.5);
  const target = options.target ?? { shape, spacing: [1, 1, 1], newSpacing: [1, 1, 1] };
  const sampling = samplingAxes(windows, target);
  const memoryBytes = Math.max(
    (options.memoryBytes ?? GPU_MEMORY_BYTES) - network.deviceBytes,
    options.memoryBytes === undefined ? LEAST_RING_BYTES : 0,
  );
  const plan = planRings({
    windows,
    sampling,
    channels: network.channels,
    labelBytes: labels.bytes,
    samples: labels.samples !== null,
    device: network.gpu.facts,
    memoryBytes,
  });
  const setup: RingSetup = { plan, windows, sampling, labels };
  const compiled = compileRing(setup, network.logitsSpec, network.gpu);
  const mirrors = mirrorFlags(options.mirrorAxes ?? []);
  const share = 1 / (mirrors.length * folds.length);
  const window = new Float32Array(network.options.network.inputChannels * patch[0] * patch[1] * patch[2]);
  const [depth, height, width] = windows;
  const rowsOf = plan.passes.map((bands) =>
    height.starts.filter((row) =>
      bands.some((b) => row < b.ringRow + plan.ringRows && row + patch[1] > b.ringRow)
    ).length
  );
  const total = rowsOf.reduce((sum, rows) => sum + rows, 0) * depth.starts.length * width.starts.length *
    folds.length;
  let done = 0;
  for (const bands of plan.passes) {
    using rings = await openRings(network, bands, setup, compiled);
    let decided = 0;
    for (const [i, plane] of depth.starts.entries()) {
      const fresh = i === 0 ? 0 : depth.starts[i - 1] + patch[0];
      for (const ring of rings.all) ring.clear(fresh, plane + patch[0]);
      for (let fold = 0; fold < folds.length; fold++) {
        network.useFold(fold);
        for (const [j, row] of height.starts.entries()) {
          const reached = rings.all.filter((ring) => ring.reaches(row));
          if (reached.length === 0) continue;
          for (const [k, column] of width.starts.entries()) {
            signal?.throwIfAborted();
            const weights = [
              ...depth.weights[i].map((weight) => weight * share),
              ...height.weights[j],
              ...width.weights[k],
            ];
            for (const ring of reached) ring.setWeights(Float32Array.from(weights));
            const start = [plane - depth.before, row - height.before, column - width.before] as const;
            network.setWindow(cutWindow(image, shape, start, patch, window));
            for (const mirrored of mirrors) {
              network.run(mirrored);
              for (const ring of reached) ring.add([plane, row, column], mirrored);
            }
            if (++done % (options.windowBatch ?? 4) === 0) await network.finish();
            options.onWindow?.(done, total);
          }
        }
      }
      const final = depth.starts[i + 1] ?? depth.padded;
      let until = decided;
      while (until < sampling[0].size && sampling[0].second[until] < final) until++;
      for (const ring of rings.all) await deliver(ring, setup, decided, until, options);
      decided = until;
    }
    for (const ring of rings.all) {
      if (await ring.finite()) continue;
      throw new PredictionError(
        "Cannot decide labels: found infinite or undefined logits: use another checkpoint, or --precision f32",
      );
    }
  }
  return done;
}

/** Reads output planes back in boxes. */
async function deliver(
  ring: LogitsRing,
  { plan }: RingSetup,
  from: number,
  until: number,
  { onBox }: StreamVolumeOptions,
): Promise<void> {
  for (let plane = from; plane < until; plane += plan.boxPlanes) {
    const planes = Math.min(plan.boxPlanes, until - plane);
    const box = await ring.decide(plane, planes);
    await onBox({ ...box, start: [plane, ring.band.row, 0], size: [planes, plan.rows, plan.columns] });
  }
}

async function openRings(
  network: WindowNetwork,
  bands: RingSetup["plan"]["bands"],
  setup: RingSetup,
  compiled: Parameters<typeof LogitsRing.create>[3],
): Promise<{ readonly all: readonly LogitsRing[] } & Disposable> {
  const all: LogitsRing[] = [];
  const close = () => all.forEach((ring) => ring[Symbol.dispose]());
  try {
    for (const band of bands) {
      all.push(await LogitsRing.create(network.gpu, band, setup, compiled, network.logits));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { all, [Symbol.dispose]: close };
}

/** Every combination of mirrored axes as flags, none first. @throws {PredictionError} for an axis that is not 0, 1 or 2 */
function mirrorFlags(axes: readonly number[]): Int32Array<ArrayBuffer>[] {
  const chosen = [...new Set(axes)].sort();
  if (!chosen.every((axis) => axis === 0 || axis === 1 || axis === 2)) {
    throw new PredictionError(`Cannot mirror axes ${axes.join(", ")}: wanted 0, 1 or 2`);
  }
  return Array.from({ length: 2 ** chosen.length }, (_, combination) => {
    const flags = new Int32Array(3);
    chosen.forEach((axis, i) => flags[axis] = (combination >> i) & 1);
    return flags;
  });
}

/** Copies a window out of `[C, D, H, W]`, zero outside. @param start may be negative */
function cutWindow(
  image: Float32Array,
  [d, h, w]: Dims3,
  [z0, y0, x0]: Dims3,
  [pd, ph, pw]: Dims3,
  window: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  window.fill(0);
  const channels = image.length / (d * h * w);
  const left = Math.max(0, -x0), right = Math.min(pw, w - x0);
  for (let c = 0; c < channels; c++) {
    for (let z = Math.max(0, -z0); z < Math.min(pd, d - z0); z++) {
      for (let y = Math.max(0, -y0); y < Math.min(ph, h - y0); y++) {
        const from = ((c * d + z0 + z) * h + y0 + y) * w + x0;
        window.set(image.subarray(from + left, from + right), ((c * pd + z) * ph + y) * pw + left);
      }
    }
  }
  return window;
}
