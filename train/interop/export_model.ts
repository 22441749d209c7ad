import { writeFileAtomic, writeJsonAtomic } from "../../data/atomic.ts";
import { writeTorchFile } from "../../data/torch/write_torch_file.ts";
import { elementCount } from "../../kernels/spec.ts";
import { torchKeys } from "../../model/parameters.ts";
import { cardPath, requireCard } from "./card_path.ts";
import { usageText } from "./card_usage.ts";
import { carriedOverNotes } from "./carried_over.ts";
import { ExportError, type ExportRequest, type ExportSummary, SPDX } from "./export_types.ts";
import { modelCard } from "./model_card.ts";
import { nnsslCheckpoint, nnsslTrainer, type PlannedModel } from "./nnssl_checkpoint.ts";
import { nnsslAdaptationPlan } from "./nnssl_plan.ts";
import { isSegmentation, nnunetCheckpoint } from "./nnunet_checkpoint.ts";
import { modelFolderFiles, writeModelFolder } from "./nnunet_folder.ts";
import { requireOwnPlaces } from "./output_files.ts";
import { type Provenance, provenanceOf } from "./provenance.ts";
import { publicAdaptationPlan, publicDataset, publicPlans } from "./public_plans.ts";
import { readModel } from "./read_model.ts";
import { readTrainingRecord } from "./training_record.ts";
import type { ModelFile } from "./types.ts";
import { writeModel } from "./write_model.ts";
import { usualPart, writeOnnxFile } from "./write_onnx_file.ts";

/** What a file holds: names of tensors, and values. */
type Written = Pick<ExportSummary, "tensors" | "parameters">;

/**
 * Hands a network over in the form of another program, with a model card beside it. Files appear whole or not at all.
 *
 * - `nnssl`: a `.pth` with the dictionaries of nnssl's checkpoints, and its `adaptation_plan.json` beside it.
 * - `nnunet`: a `.pth` of nnU-Net v2; of a segmentation network whose file is written into a folder `fold_N`, plans.json and
 *   dataset.json go into the folder above, as nnU-Net's predictor expects.
 * - `safetensors`: weights with the metadata that fine-tuning and prediction read.
 * - `onnx`: one part of the network, opset 17.
 *
 * Neither files nor card name subjects, cases, or places of files.
 *
 * @throws {ExportError} when the network lacks what the form needs
 * @throws {ModelFileError | SafetensorsError | TorchError} when the source cannot be read
 * @throws {DataError} when a file cannot be written, or would replace the source, a run's checkpoint or another of the files, or a
 * card what is no card
 *
 * @example
 * ```ts ignore
 * const { files } = await exportModel({ from: "runs/first", format: "nnssl", out: "checkpoint_final.pth" });
 * ```
 */
export async function exportModel(request: ExportRequest): Promise<ExportSummary> {
  const { from, format, out } = request;
  await using opened = await readModel(from);
  const model = withoutPlaces(opened);
  if (request.licence !== undefined && !SPDX.test(request.licence)) {
    throw new ExportError(
      from,
      format,
      `licence ${JSON.stringify(request.licence)}`,
      "name it by its SPDX identifier",
    );
  }
  requireComplete(model, request);
  const path = cardPath(request);
  const beside = besideFiles(model, request);
  const files = [out, ...beside, ...(path === null ? [] : [path])];
  await requireOwnPlaces(model.path, files);
  if (path !== null) await requireCard(path);
  const record = await readTrainingRecord(from);
  const provenance = provenanceOf(model, record, request.licence);
  const { tensors, parameters } = await write(model, request, provenance);
  const lost = carriedOverNotes(model, format);
  if (path !== null) {
    const file = baseName(out);
    const usage = usageText(format, file, model);
    const card = {
      format,
      files: [file, ...beside.map(baseName)],
      model,
      record,
      provenance,
      usage,
      notes: lost,
      parameters,
    };
    await writeFileAtomic(path, modelCard(card));
  }
  const { size: bytes } = await Deno.stat(out);
  return {
    format,
    files,
    tensors,
    parameters,
    bytes,
    adaptationPlan: model.adaptationPlan,
    notes: [...model.notes, ...lost],
  };
}

function write(model: ModelFile, request: ExportRequest, provenance: Provenance): Promise<Written> {
  switch (request.format) {
    case "nnssl":
      return writeNnssl(model, request);
    case "nnunet":
      return writeNnunet(model, request);
    case "safetensors":
      return writeModel(model, request.out, provenance);
    case "onnx":
      return writeOnnxFile(model, request, provenance);
  }
}

async function writeNnssl(model: ModelFile, { from, out }: ExportRequest): Promise<Written> {
  if (!isPlanned(model)) {
    throw new ExportError(
      from,
      "nnssl",
      "nothing about the data that it was trained on",
      "import it with --plans first, and export what that wrote",
    );
  }
  await writeTorchFile(out, nnsslCheckpoint(model));
  await writeJsonAtomic(planFile(out), {
    ...nnsslAdaptationPlan(model.adaptationPlan),
    trainer_name: nnsslTrainer(model),
  });
  return { tensors: keyCount(model), parameters: valueCount(model.tensors) };
}

function isPlanned(model: ModelFile): model is PlannedModel {
  return model.adaptationPlan !== null;
}

async function writeNnunet(model: ModelFile, { from, out }: ExportRequest): Promise<Written> {
  if (!model.network.skips) {
    throw new ExportError(
      from,
      "nnunet",
      "a network without skip connections, which nnU-Net does not build",
      "export it as nnssl, safetensors or onnx",
    );
  }
  const folder = modelFolderFiles(out);
  if (isSegmentation(model) && folder !== null) await writeModelFolder(model, folder);
  await writeTorchFile(out, nnunetCheckpoint(model));
  return { tensors: keyCount(model), parameters: valueCount(networkTensors(model)) };
}

/** The tensors of the U-Net itself, without tokens and densification. */
function networkTensors({ tensors }: ModelFile): ModelFile["tensors"] {
  return new Map([...tensors].filter(([name]) => /^(encoder|decoder)\./.test(name)));
}

/** Names in the `network_weights` of a PyTorch file. */
function keyCount(model: ModelFile): number {
  return [...networkTensors(model).keys()].reduce((count, name) => count + torchKeys({ name }).length, 0);
}

function valueCount(tensors: ModelFile["tensors"]): number {
  return [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A model whose documents name no places and list no cases. */
function withoutPlaces(model: ModelFile): ModelFile {
  return {
    ...model,
    adaptationPlan: model.adaptationPlan && publicAdaptationPlan(model.adaptationPlan),
    plans: model.plans && publicPlans(model.plans),
    dataset: model.dataset && publicDataset(model.dataset),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** Refuses a network some of whose values are unknown: whoever loads the file would start from noise. */
function requireComplete(model: ModelFile, { from, format, part }: ExportRequest): void {
  if (format === "safetensors") return; // its writer takes an encoder alone
  const encoderAlone = format === "onnx" && (part ?? usualPart(model)) === "encoder";
  const missing = model.report.missing.filter((name) => !encoderAlone || name.startsWith("encoder."));
  if (missing.length === 0) return;
  throw new ExportError(
    from,
    format,
    `${missing.length} of ${model.parameters.length} tensors missing, such as ${missing[0]}`,
    "export it as safetensors or its encoder as onnx, or use a complete file",
  );
}

/** Files that a form has beside `out`. */
function besideFiles(model: ModelFile, { format, out }: ExportRequest): readonly string[] {
  if (format === "nnssl") return [planFile(out)];
  return format === "nnunet" && isSegmentation(model) ? modelFolderFiles(out) ?? [] : [];
}

/** The adaptation plan beside an nnssl checkpoint. */
function planFile(out: string): string {
  return out.replace(/[^/\\]*$/, "adaptation_plan.json");
}

function baseName(path: string): string {
  return path.split(/[/\\]/).at(-1)!;
}
