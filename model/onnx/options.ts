/** What an ONNX model is made from. */
import type { Dims3 } from "../../kernels/spec.ts";
import type { NetworkConfig } from "../config.ts";
import type { MaeKind } from "../mae.ts";

/**
 * Which network a model holds.
 * - `encoder`: input `image`, outputs `stage_0` (finest), `stage_1`, ...
 * - `segmentation`: input `image`, output `logits` at full resolution, also of networks with deep supervision.
 * - `reconstruction`: inputs `image` and `mask`, output `reconstruction`; the image is masked inside, as its method defines.
 */
export type OnnxPart = "encoder" | "segmentation" | "reconstruction";

/** How a reconstruction network was trained to see its input. */
export interface OnnxMasking {
  readonly kind: MaeKind;
  readonly leakyStem: boolean;
  /** Voxels of a block of the mask along depth, height and width. */
  readonly block: Dims3;
}

/** What an ONNX model is made from. */
export interface OnnxOptions {
  readonly network: NetworkConfig;
  readonly part: OnnxPart;
  /** Needed by `reconstruction` alone. */
  readonly masking?: OnnxMasking;
  /** A parameter's values, C order, by its name as in model/parameters.ts; asked for once each, in order. */
  readonly tensor: (name: string) => Float32Array | Promise<Float32Array>;
  /** Samples of a batch. */
  readonly batch: number | "dynamic";
  /** Voxels of the image along depth, height and width; without, every multiple of what the network needs. */
  readonly patch?: Dims3;
  /** Facts for the model's `metadata_props`, such as normalisation, spacing, labels and licence. */
  readonly metadata: Readonly<Record<string, string>>;
}
