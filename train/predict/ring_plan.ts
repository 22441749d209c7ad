import { formatBytes, LimitError } from "../../kernels/errors.ts";
import type { DeviceFacts } from "../../kernels/spec.ts";
import type { SamplingAxis } from "./sampling_axis.ts";
import type { WindowAxis } from "./windows.ts";

/** Bytes that one box of labels or samples takes at most when read back. */
const BOX_BYTES = 32 * 2 ** 20;
/** Staging buffers are as large as the next power of two, and at most twice a box. */
const STAGING = 2;

/** Rows of the output that one ring serves. */
export interface RowBand {
  /** First row of the output. */
  readonly row: number;
  /** First row of the padded volume that the ring holds. */
  readonly ringRow: number;
}

/** How a prediction is cut to fit a device. */
export interface RingPlan {
  /** Planes of a ring: the patch and the plane before it, which the next output plane may still need. */
  readonly planes: number;
  readonly channels: number;
  /** Rows of a ring and of the output that it serves; columns of both. */
  readonly ringRows: number;
  readonly rows: number;
  readonly ringColumns: number;
  readonly columns: number;
  /** Output planes that are read back at once. */
  readonly boxPlanes: number;
  readonly bands: readonly RowBand[];
  /** Bands whose rings are on the device together; windows that reach bands of two passes are computed in both. */
  readonly passes: readonly (readonly RowBand[])[];
  /** Device memory of the rings of one pass, with boxes and staging. */
  readonly deviceBytes: number;
}

/** What a plan is made for. */
export interface RingRequest {
  readonly windows: readonly [WindowAxis, WindowAxis, WindowAxis];
  readonly sampling: readonly [SamplingAxis, SamplingAxis, SamplingAxis];
  readonly channels: number;
  /** Bytes of a label. */
  readonly labelBytes: 1 | 2;
  /** Whether logits or probabilities are read back as well. */
  readonly samples: boolean;
  readonly device: Pick<DeviceFacts, "maxBinding" | "maxBuffer">;
  /** Device memory that the rings of a pass may take. */
  readonly memoryBytes: number;
}

/**
 * Cuts the rows of a volume into bands, so that the ring of every band fits a binding and at least one ring fits the memory.
 *
 * A ring holds the logits of as many planes as windows overlap, of all rows and columns of its band: its size depends on the patch
 * and the cross-section of the volume, not on the length of its first axis.
 *
 * @throws {LimitError} when a ring of single rows exceeds binding or memory
 */
export function planRings(request: RingRequest): RingPlan {
  const { windows, sampling, channels, device, memoryBytes } = request;
  const height = sampling[1].size, columns = sampling[2].size;
  const planes = Math.min(windows[0].patch + 1, windows[0].padded);
  const perStart = Math.ceil(sampling[0].size / windows[0].starts.length);
  const limit = Math.min(device.maxBinding, device.maxBuffer);
  for (let count = 1; count <= height; count = Math.max(count + 1, Math.floor(count * 1.05))) {
    const rows = Math.ceil(height / count);
    const starts = [...new Set(Array.from({ length: count }, (_, i) => Math.min(i * rows, height - rows)))];
    const ringRows = rowsNeeded(sampling[1], rows);
    const ringBytes = 4 * planes * channels * ringRows * windows[2].padded;
    const planeBytes = rows * columns * Math.max(request.labelBytes, request.samples ? 4 * channels : 0);
    const boxPlanes = Math.min(perStart, Math.floor(Math.min(BOX_BYTES, limit) / planeBytes) || 1);
    const boxBytes = rows * columns * boxPlanes *
      (request.labelBytes + (request.samples ? 4 * channels : 0));
    const bandBytes = ringBytes + (1 + STAGING) * boxBytes;
    if (Math.max(ringBytes, boxPlanes * planeBytes) > limit || bandBytes > memoryBytes) {
      if (rows === 1) refuse(Math.max(bandBytes, ringBytes), Math.min(limit, memoryBytes));
      continue;
    }
    const bands = starts.map((row) => ({
      row,
      ringRow: Math.min(sampling[1].first[row], windows[1].padded - ringRows),
    }));
    const together = Math.floor(memoryBytes / bandBytes);
    const passes = Array.from(
      { length: Math.ceil(bands.length / together) },
      (_, i) => bands.slice(i * together, (i + 1) * together),
    );
    return {
      planes,
      channels,
      ringRows,
      rows,
      ringColumns: windows[2].padded,
      columns,
      boxPlanes,
      bands,
      passes,
      deviceBytes: bandBytes * passes[0].length,
    };
  }
  throw new LimitError("Cannot plan a prediction of a volume without rows", {
    value: "rows",
    need: 1,
    max: 0,
  });
}

/** Most rows of the padded volume that `rows` neighbouring output rows are made of, wherever they start. */
function rowsNeeded({ first, second, size }: SamplingAxis, rows: number): number {
  let most = 1;
  for (let row = 0; row + rows <= size; row++) most = Math.max(most, second[row + rows - 1] - first[row] + 1);
  return most;
}

function refuse(need: number, max: number): never {
  throw new LimitError(
    `Cannot keep the logits of one row of voxels on this GPU: needs ${formatBytes(need)}, ` +
      `found room for ${formatBytes(max)}: raise --gpu-memory or use a smaller patch`,
    { value: "ring", need, max },
  );
}
