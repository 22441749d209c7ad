import { decodeSafetensors, SafetensorsError } from "../../data/safetensors.ts";
import type { SliceReference, SLICES_FORMAT } from "../../train/slice_format.ts";

/** Found in the metadata of both kinds of files. */
const FORMAT: typeof SLICES_FORMAT = "spark3d-slices-1";

/** The same plane of all patches: `[patches, rows, columns]`. */
export interface PlaneStack {
  readonly patches: number;
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

/** What stays the same over a run; one stack for each array axis that is cut. */
export interface SliceOriginals extends SliceReference {
  readonly original: readonly PlaneStack[];
  readonly visible: readonly PlaneStack[];
}

/** Raw output of the network after `step` steps. */
export interface SliceOutputs {
  readonly step: number;
  /** Masked squared error over all validation patches. */
  readonly valLoss: number;
  readonly reconstruction: readonly PlaneStack[];
}

/**
 * Decodes `slices/reference.safetensors`; train/slice_format.ts has the format.
 * @throws {SafetensorsError} if the file is damaged or holds other things
 */
export function decodeOriginals(bytes: Uint8Array<ArrayBuffer>, source: string): SliceOriginals {
  const { metadata, planes } = open(bytes, source);
  return {
    ...parseReference(metadata.reference, source),
    original: planes("original"),
    visible: planes("visible"),
  };
}

/**
 * Decodes `slices/step_XXXXXXXX.safetensors`.
 * @throws {SafetensorsError} if the file is damaged or holds other things
 */
export function decodeOutputs(bytes: Uint8Array<ArrayBuffer>, source: string): SliceOutputs {
  const { metadata: { step, valLoss }, planes } = open(bytes, source);
  return { step: Number(step), valLoss: Number(valLoss), reconstruction: planes("reconstruction") };
}

interface OpenFile {
  readonly metadata: Readonly<Record<string, string>>;
  planes(name: string): PlaneStack[];
}

function open(bytes: Uint8Array<ArrayBuffer>, source: string): OpenFile {
  const { tensors, metadata } = decodeSafetensors(bytes, source);
  if (metadata.format !== FORMAT) {
    throw new SafetensorsError(
      `Cannot read ${source}: found format "${metadata.format}", wanted "${FORMAT}": it holds no slices`,
      source,
    );
  }
  const planes = (name: string) =>
    [0, 1, 2].map((axis) => {
      const tensor = tensors.get(`${name}.${axis}`);
      if (tensor?.shape.length !== 3 || tensor.data instanceof BigInt64Array) {
        throw new SafetensorsError(
          `Cannot read ${source}: found no tensor "${name}.${axis}" of three axes: start the run anew`,
          source,
        );
      }
      const [patches, rows, columns] = tensor.shape;
      return { patches, rows, columns, values: tensor.data as ArrayLike<number> };
    });
  return { metadata, planes };
}

function parseReference(text: string, source: string): SliceReference {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError(
      `Cannot read ${source}: metadata "reference" is no JSON: ${(cause as Error).message}`,
      source,
    );
  }
}
