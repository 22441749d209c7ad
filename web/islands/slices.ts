import { decodeSafetensors, SafetensorsError, type SafetensorsTensor } from "../../data/safetensors.ts";
import type { Dims3 } from "../../data/volume.ts";

/**
 * The slices that a pre-training run leaves in `slices/` at each validation, as safetensors. P fixed patches of shape `[D, H, W]`; of
 * each the middle plane across array axis 0, 1 and 2, so `[P, H, W]`, `[P, D, W]` and `[P, D, H]`:
 *
 * - `reference.safetensors`: `original.0`, `original.1`, `original.2` F16 (z-score) and `visible.0` to `visible.2` U8 (1 visible,
 *   0 hidden). Metadata: `format`, `axes` (where x, y, z point, as "RAS"), `cases` (JSON list of P names) and `spacingMm` (JSON
 *   list of P `[d, h, w]`).
 * - `step_00000500.safetensors`: `reconstruction.0` to `reconstruction.2` F16, the raw output, visible places included. Metadata:
 *   `format` and `step`.
 */
export const SLICES_FORMAT = "spark3d-slices-1";

/** The same plane of all patches: `[patches, rows, columns]`. */
export interface PlaneStack {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

/** What stays the same over a run: the planes across array axes 0, 1, 2 of the fixed patches. */
export interface SliceReference {
  readonly axes: string;
  /** One name a patch. */
  readonly cases: readonly string[];
  /** Voxel edges in mm along D, H, W, for each patch. */
  readonly spacingMm: readonly Dims3[];
  /** D, H, W of a patch. */
  readonly shape: Dims3;
  readonly original: readonly PlaneStack[];
  readonly visible: readonly PlaneStack[];
}

/** Raw output of the network after `step` steps. */
export interface SliceReconstruction {
  readonly step: number;
  readonly reconstruction: readonly PlaneStack[];
}

/**
 * Decodes `reference.safetensors`.
 * @throws {SafetensorsError} if the file is damaged or holds other things
 */
export function decodeReference(bytes: Uint8Array<ArrayBuffer>, source: string): SliceReference {
  const { tensors, metadata } = open(bytes, source);
  const original = planes(tensors, "original", source);
  const shape: Dims3 = [original[1].rows, original[0].rows, original[0].columns];
  try {
    return {
      axes: metadata.axes,
      cases: JSON.parse(metadata.cases),
      spacingMm: JSON.parse(metadata.spacingMm),
      shape,
      original,
      visible: planes(tensors, "visible", source),
    };
  } catch (cause) {
    if (cause instanceof SafetensorsError) throw cause;
    throw new SafetensorsError(
      `Cannot read ${source}: metadata "cases" or "spacingMm" is no JSON: ${(cause as Error).message}`,
      source,
    );
  }
}

/**
 * Decodes `step_XXXXXXXX.safetensors`.
 * @throws {SafetensorsError} if the file is damaged or holds other things
 */
export function decodeReconstruction(bytes: Uint8Array<ArrayBuffer>, source: string): SliceReconstruction {
  const { tensors, metadata } = open(bytes, source);
  return { step: Number(metadata.step), reconstruction: planes(tensors, "reconstruction", source) };
}

function open(bytes: Uint8Array<ArrayBuffer>, source: string): ReturnType<typeof decodeSafetensors> {
  const file = decodeSafetensors(bytes, source);
  if (file.metadata.format === SLICES_FORMAT) return file;
  throw new SafetensorsError(
    `Cannot read ${source}: found format "${file.metadata.format}", wanted "${SLICES_FORMAT}": it holds no slices`,
    source,
  );
}

function planes(tensors: ReadonlyMap<string, SafetensorsTensor>, name: string, source: string): PlaneStack[] {
  return [0, 1, 2].map((axis) => {
    const tensor = tensors.get(`${name}.${axis}`);
    if (tensor?.shape.length === 3 && (tensor.dtype === "F16" || tensor.dtype === "U8")) {
      return {
        rows: tensor.shape[1],
        columns: tensor.shape[2],
        values: tensor.data as ArrayLike<number>,
      };
    }
    throw new SafetensorsError(
      `Cannot read ${source}: found no slices "${name}.${axis}" of three axes in F16 or U8`,
      source,
    );
  });
}
