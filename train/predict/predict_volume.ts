import type { Dims3 } from "../../kernels/spec.ts";
import { type OutputBox, streamVolume, type StreamVolumeOptions } from "./stream_volume.ts";
import type { WindowNetwork } from "./window_network.ts";

/** A whole volume, decided. */
export interface PredictedVolume {
  /** `[D, H, W]` of the target grid. */
  readonly labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  /** `[C, D, H, W]` when samples were asked for. */
  readonly samples: Float32Array<ArrayBuffer> | null;
  readonly shape: Dims3;
  /** Windows that were computed. */
  readonly windows: number;
}

/**
 * Segments a preprocessed volume that is in memory; see {@linkcode streamVolume} for output that need not be.
 *
 * @throws {PredictionError} when logits are not finite
 * @throws {LimitError} when not even single rows fit
 * @throws {DeviceError} when memory runs out or the device fails
 *
 * ```ts ignore
 * using network = await WindowNetwork.create(gpu, { network: config, patch: [64, 64, 64], folds: [weights] });
 * const { labels } = await predictVolume(network, { image, shape, labels: largestOf(3) });
 * ```
 */
export async function predictVolume(
  network: WindowNetwork,
  options: Omit<StreamVolumeOptions, "onBox">,
): Promise<PredictedVolume> {
  const shape = options.target?.shape ?? options.shape;
  const voxels = shape[0] * shape[1] * shape[2];
  const labels = options.labels.bytes === 1 ? new Uint8Array(voxels) : new Uint16Array(voxels);
  const samples = options.labels.samples === null ? null : new Float32Array(network.channels * voxels);
  const windows = await streamVolume(network, {
    ...options,
    onBox: (box) => {
      insertBox(labels, shape, box, box.labels, 1);
      if (samples) insertBox(samples, shape, box, box.samples!, network.channels);
    },
  });
  return { labels, samples, shape, windows };
}

/** Copies the rows of a box into `[C, D, H, W]`. */
function insertBox<T extends Uint8Array | Uint16Array | Float32Array>(
  whole: T,
  [d, h, w]: Dims3,
  { start, size: [planes, rows, columns] }: OutputBox,
  values: T,
  channels: number,
): void {
  let from = 0;
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < planes; z++) {
      for (let y = 0; y < rows; y++, from += columns) {
        const to = ((c * d + start[0] + z) * h + start[1] + y) * w + start[2];
        whole.set(values.subarray(from, from + columns), to);
      }
    }
  }
}
