import type { AdaptationPlan } from "../adaptation_plan.ts";
import type { OnnxPart } from "../../model/onnx/options.ts";

/** Forms that a network can be handed over in. */
export const exportFormats = ["nnssl", "nnunet", "safetensors", "onnx"] as const;
/** One of {@linkcode exportFormats}. */
export type ExportFormat = (typeof exportFormats)[number];

/** An SPDX identifier; it stands in the front matter of cards, where other text could add fields. */
export const SPDX = /^[A-Za-z0-9][A-Za-z0-9.+-]*$/;

/** A network that cannot be exported, or not in the form that was asked for. */
export class ExportError extends Error {
  override readonly name = "ExportError";
  constructor(path: string, format: ExportFormat, found: string, remedy: string) {
    super(`Cannot export ${path} as ${format}: found ${found}: ${remedy}`);
  }
}

/** What {@linkcode exportModel} needs. */
export interface ExportRequest {
  /** Run folder, checkpoint, or file that `spark3d import` reads. */
  readonly from: string;
  readonly format: ExportFormat;
  /** File to write. */
  readonly out: string;
  /** Model card to write; README.md beside `out` when absent, none when null. */
  readonly card?: string | null;
  /** Licence of the weights, an SPDX identifier; when absent the one that the source states, else "other": nobody has said. */
  readonly licence?: string;
  /** Part of the network, for ONNX; reconstruction or segmentation, whichever the network was trained for, when absent. */
  readonly part?: OnnxPart;
  /** Patches of a call, for ONNX; a free axis when absent. */
  readonly batch?: number | "dynamic";
  /** Size of an ONNX input, voxels; free when absent. */
  readonly patch?: readonly [number, number, number];
}

/** What {@linkcode exportModel} wrote. */
export interface ExportSummary {
  readonly format: ExportFormat;
  /** Every file that was written: the network first. */
  readonly files: readonly string[];
  /** Names in the file, those of aliases included; nodes of an ONNX graph are not counted. */
  readonly tensors: number;
  /** Values of the network in the file, each counted once. */
  readonly parameters: number;
  readonly bytes: number;
  readonly adaptationPlan: AdaptationPlan | null;
  /** What deserves attention in the source, and what the form does not carry over, one sentence each. */
  readonly notes: readonly string[];
}
