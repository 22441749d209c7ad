import { makeFolder, writeFileAtomic } from "../data/atomic.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../data/safetensors.ts";
import type { Dims3 } from "../data/volume.ts";
import { removeLaterSteps, type RunPaths } from "./run_folder.ts";
import { type SlicePatch, type SliceReference, SLICES_FORMAT } from "./slice_format.ts";

/** A fixed patch as the reference file shows it. */
export interface FixedPatch extends SlicePatch {
  /** `[D * H * W]`, z-scored. */
  readonly original: Float32Array;
  /** `[D * H * W]`, 1 where the network may look. */
  readonly visible: Uint8Array;
}

/** Keeps the slices of a run's fixed patches, validation by validation. */
export class SliceWriter {
  readonly #reference: Uint8Array<ArrayBuffer>;
  readonly #planes: Float16Array[][] = [];
  #known = false;
  readonly patchCount: number;

  /** @param orientation as in {@linkcode SliceReference} */
  constructor(
    readonly paths: Pick<RunPaths, "slices" | "sliceReference" | "slicesAt">,
    readonly shape: Dims3,
    orientation: string | null,
    patches: readonly FixedPatch[],
  ) {
    this.patchCount = patches.length;
    const reference: SliceReference = {
      shape,
      index: middle(shape),
      orientation,
      patches: patches.map(({ case: id, start, spacingMm }) => ({ case: id, start, spacingMm })),
    };
    const cut = (values: (patch: FixedPatch) => ArrayLike<number>) =>
      patches.map((patch) => cutPlanes(values(patch), shape));
    const tensors = new Map([
      ...stack("original", "F16", shape, cut((p) => p.original)),
      ...stack("visible", "U8", shape, cut((p) => p.visible)),
    ]);
    const metadata = { format: SLICES_FORMAT, reference: JSON.stringify(reference) };
    this.#reference = encodeSafetensors(tensors, metadata);
  }

  /** Takes what the network made of a patch, `[D * H * W]`. */
  add(patch: number, reconstruction: Float32Array): void {
    this.#planes[patch] = cutPlanes(reconstruction, this.shape);
  }

  /**
   * Writes the slices of every patch that was added; the first time the reference too.
   *
   * @returns path of the file
   * @throws {DataError} when the folder is not writable or the disk is full
   */
  async write(step: number, valLoss: number): Promise<string> {
    if (!this.#known) await this.#writeReference();
    this.#known = true;
    const tensors = new Map(stack("reconstruction", "F16", this.shape, this.#planes));
    const path = this.paths.slicesAt(step);
    const metadata = { format: SLICES_FORMAT, step: String(step), valLoss: String(valLoss) };
    await writeFileAtomic(path, [encodeSafetensors(tensors, metadata)]);
    return path;
  }

  /** A run that goes on with other patches or masks keeps no slices of the old ones: they would be compared with the wrong original. */
  async #writeReference(): Promise<void> {
    const { slices, sliceReference } = this.paths;
    await makeFolder(slices);
    const found = await Deno.readFile(sliceReference).catch(() => null);
    const known = found !== null && sameFirstPatches(found, this.#reference);
    if (known && found.length >= this.#reference.length) return; // all patches are in it
    if (found && !known) await removeLaterSteps(slices, -1);
    await writeFileAtomic(sliceReference, [this.#reference]);
  }
}

function middle(shape: Dims3): Dims3 {
  const [d, h, w] = shape.map((n) => Math.floor(n / 2));
  return [d, h, w];
}

/** Rows and columns of the plane that cuts each axis. */
function planeSizes([d, h, w]: Dims3): readonly (readonly [number, number])[] {
  return [[h, w], [d, w], [d, h]];
}

/** The middle planes across D, H and W. */
function cutPlanes(values: ArrayLike<number>, shape: Dims3): Float16Array[] {
  const strides = [shape[1] * shape[2], shape[2], 1];
  const index = middle(shape);
  return planeSizes(shape).map(([rows, columns], axis) => {
    const [down, right] = strides.filter((_, other) => other !== axis);
    const plane = new Float16Array(rows * columns);
    for (let r = 0, at = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        plane[at++] = values[index[axis] * strides[axis] + r * down + c * right];
      }
    }
    return plane;
  });
}

/** Tensors `<name>.<axis>` of the planes of all patches. */
function stack(
  name: string,
  dtype: "F16" | "U8",
  shape: Dims3,
  planes: readonly (readonly Float16Array[])[],
): [string, SafetensorsTensor][] {
  const Values = dtype === "F16" ? Float16Array : Uint8Array;
  return planeSizes(shape).map(([rows, columns], axis) => {
    const data = new Values(planes.length * rows * columns);
    planes.forEach((plane, patch) => data.set(plane[axis], patch * rows * columns));
    return [`${name}.${axis}`, { dtype, shape: [planes.length, rows, columns], data }];
  });
}

/** Whether two reference files show the same patches as far as both go. */
function sameFirstPatches(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): boolean {
  try {
    const [tensors, others] = [decodeSafetensors(a).tensors, decodeSafetensors(b).tensors];
    return [...others].every(([name, { shape: [p, ...plane], data }]) => {
      const found = tensors.get(name)!;
      const length = Math.min(p, found.shape[0]) * plane[0] * plane[1];
      return found.shape.slice(1).join() === plane.join() &&
        data.subarray(0, length).every((value, i) => Object.is(value, found.data[i]));
    });
  } catch {
    return false; // damaged
  }
}
