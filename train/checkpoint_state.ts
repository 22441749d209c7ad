import { readSafetensors, writeSafetensors } from "../data/safetensors_file.ts";
import type { LoopSession } from "./training_loop.ts";

/** A checkpoint that cannot be used. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  constructor(message: string, readonly path: string) {
    super(message);
  }
}

/**
 * Writes a session's weights, optimiser state and loss scale as safetensors, atomically. Equal state gives equal bytes.
 *
 * @param metadata what else there is to know; `seed` and `config` (JSON) are added
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export async function writeState(
  path: string,
  session: LoopSession,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const state = await session.exportState();
  const tensors = [...state].map(([name, { shape, data }]) =>
    [name, { dtype: "F32" as const, shape, data }] as const
  );
  const { config } = session;
  await writeSafetensors(path, new Map(tensors), {
    ...metadata,
    seed: String(config.seed),
    config: JSON.stringify(config),
  });
}

/** What to take of a checkpoint. */
export interface LoadStateOptions {
  /** Version of the file's content, as its metadata name it. */
  readonly format: string;
  /** Weights alone: the optimiser starts afresh. */
  readonly weightsOnly?: boolean;
}

/**
 * Loads a checkpoint that {@linkcode writeState} wrote into a session.
 *
 * @returns the file's metadata
 * @throws {CheckpointError} when the file belongs to another network, optimiser or precision
 * @throws {SafetensorsError | DataError} when it cannot be read
 */
export async function loadState(
  path: string,
  session: LoopSession,
  { format, weightsOnly = false }: LoadStateOptions,
): Promise<Readonly<Record<string, string>>> {
  const { tensors, metadata } = await readSafetensors(path);
  const fail = (found: string): never => {
    const remedy = "use the configuration the run was started with";
    throw new CheckpointError(`Cannot resume from ${path}: ${found}: ${remedy}`, path);
  };
  if (metadata.format !== format) fail(`found format ${metadata.format ?? "none"}, wanted ${format}`);
  const { precision } = JSON.parse(metadata.config ?? "{}") as { readonly precision?: string };
  if (precision !== session.config.precision) {
    throw new CheckpointError(
      `Cannot resume from ${path}: it was trained in ${precision}, this run is ${session.config.precision} on ` +
        `${session.gpu.facts.adapter}: use --precision ${precision}`,
      path,
    );
  }
  const wanted = new Set(weightsOnly ? session.weightNames() : session.stateNames());
  const missing = [...wanted].filter((name) => !tensors.has(name));
  const extra = weightsOnly ? [] : [...tensors.keys()].filter((name) => !wanted.has(name));
  if (missing.length + extra.length > 0) {
    const example = (names: readonly string[]) => names.length > 0 ? ` (${names[0]})` : "";
    fail(
      `${missing.length} tensors are missing${example(missing)} and ${extra.length} unknown${example(extra)}`,
    );
  }
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const name of wanted) {
    const { dtype, shape, data } = tensors.get(name)!;
    const own = session.plan.named[name].spec.shape;
    if (dtype !== "F32" || shape.join() !== own.join()) {
      fail(`found ${name} as ${dtype} [${shape}], wanted F32 [${own}]`);
    }
    values.set(name, data as Float32Array<ArrayBuffer>);
  }
  if (weightsOnly) session.startFrom(values);
  else session.importState(values);
  return metadata;
}
