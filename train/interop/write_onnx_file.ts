import { writeFileAtomic } from "../../data/atomic.ts";
import type { OnnxPart } from "../../model/onnx/options.ts";
import { ExportError, type ExportRequest, type ExportSummary } from "./export_types.ts";
import { onnxMetadata } from "./onnx_metadata.ts";
import type { Provenance } from "./provenance.ts";
import type { ModelFile } from "./types.ts";

/**
 * Writes one part of a network as an ONNX file, tensor by tensor.
 *
 * @returns how many tensors and values of the network it holds: those that the part uses
 * @throws {ExportError} when the network was not trained for the part
 * @throws {ConfigError | LimitError} when batch and patch do not fit the network, or the file would exceed 2 GiB
 * @throws {DataError} when the file cannot be written
 */
export async function writeOnnxFile(
  model: ModelFile,
  request: ExportRequest,
  provenance: Provenance,
): Promise<Pick<ExportSummary, "tensors" | "parameters">> {
  const { describeOnnxModel } = await import("../../model/onnx/mod.ts");
  const { kind, maskBlock, leakyStem } = model;
  const part = request.part ?? usualPart(model);
  if (part === "reconstruction" && (kind === "segmentation" || kind === "network")) {
    throw new ExportError(request.from, "onnx", "a network that does not reconstruct", "use --part encoder");
  }
  if (part === "segmentation" && kind !== "segmentation" && kind !== "network") {
    throw new ExportError(request.from, "onnx", "a network that does not segment", "use --part encoder");
  }
  if (part === "reconstruction" && maskBlock === null) {
    throw new ExportError(request.from, "onnx", "no size of mask blocks", "use --part encoder");
  }
  const described = describeOnnxModel({
    network: model.network,
    part,
    ...(part === "reconstruction" && kind !== "segmentation" && kind !== "network"
      ? { masking: { kind, leakyStem, block: [maskBlock!, maskBlock!, maskBlock!] } }
      : {}),
    tensor: (name) => model.tensors.get(name)!.read(),
    batch: request.batch ?? "dynamic",
    ...(request.patch ? { patch: request.patch } : {}),
    metadata: onnxMetadata(model, provenance),
  });
  await writeFileAtomic(request.out, described.chunks());
  return described;
}

/** The part that a network was trained for. */
export function usualPart({ kind }: ModelFile): OnnxPart {
  if (kind === "network") return "encoder";
  return kind === "segmentation" ? "segmentation" : "reconstruction";
}
