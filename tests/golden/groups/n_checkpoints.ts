import { readSafetensors } from "../../../data/safetensors_file.ts";
import type { SafetensorsTensor } from "../../../data/safetensors.ts";
import { openTorchFile } from "../../../data/torch/open_torch_file.ts";
import type { TorchFile, TorchTensor, TorchValue } from "../../../data/torch/types.ts";
import { torchAlias } from "../../../model/parameters.ts";
import { spreadChannels, transferWeights } from "../../../train/finetune/transfer.ts";
import { importModel } from "../../../train/interop/import_model.ts";
import { modelParameters } from "../../../train/interop/parameters.ts";
import { readModel } from "../../../train/interop/read_model.ts";
import { toFloat32 } from "../../../train/interop/to_float32.ts";
import { differsFrom } from "../described_value.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

/** A dictionary of tensors with other names for some of them. */
interface Twin {
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  readonly aliases: Readonly<Record<string, string>>;
}

/** The recorded counts of a dictionary. */
interface TwinEntry {
  readonly file: string;
  readonly n_keys: number;
  readonly n_distinct?: number;
}

const STEM = "encoder.stem.convs.0.conv.weight";

/**
 * Compares every checkpoint with its twins, tensor by tensor, as read from the file and as imported, and what fine-tuning loads from the
 * imported file with what the reference loads.
 *
 * The reference spreads a stem over more channels from the copy that never trained; there its stem is met by spreading that copy, and
 * ours is the same formula on the trained one.
 */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spark3d-checkpoints-" });
  try {
    for (const c of group.manifest.cases) {
      if (c.op === "checkpoint") await compareCheckpoint(group, c, check, folder);
      else if (c.op === "finetune_load") await compareTransfer(group, c, check, folder);
      else check.miss(c.id, c.op, "unknown op");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function compareCheckpoint(
  group: GoldenGroup,
  c: GoldenCase,
  check: Checker,
  folder: string,
): Promise<void> {
  const path = `${group.dir}/${c.file}`;
  await using file = await openTorchFile(path);
  for (const [name, entry] of Object.entries(c.twins as Readonly<Record<string, TwinEntry>>)) {
    await compareDictionary(c.id, name, file, entry, await readTwin(`${group.dir}/${entry.file}`), check);
  }
  if (c.optimizer !== undefined) await compareMomentum(group, c, file, check);
  for (const [key, described] of Object.entries(c.content ?? {})) {
    const value = file.root instanceof Map ? file.root.get(key) : undefined;
    check.equal(c.id, `content ${key}`, differsFrom(value, described, key), null);
  }
  const { network_weights: main, spark_weights: whole } = c.twins as Readonly<Record<string, TwinEntry>>;
  const weights = await readTwin(`${group.dir}/${main.file}`);
  if (!weights.tensors.has(STEM)) return; // tensors without a network
  const rest = whole ? await readTwin(`${group.dir}/${whole.file}`) : weights;
  await compareImport(
    c,
    path,
    `${folder}/${c.id}.safetensors`,
    (name) => trained(weights, name) ?? trained(rest, name),
    check,
  );
}

/** Compares every tensor of a dictionary of the file, and which of its keys share memory. */
async function compareDictionary(
  id: string,
  name: string,
  file: TorchFile,
  { n_keys, n_distinct }: TwinEntry,
  { tensors, aliases }: Twin,
  check: Checker,
): Promise<void> {
  const found = tensorsOf(file.root, name);
  check.equal(
    id,
    `${name} keys`,
    [...found.keys()].sort(),
    [...tensors.keys(), ...Object.keys(aliases)].sort(),
  );
  check.equal(id, `${name} number of keys`, found.size, n_keys);
  if (n_distinct !== undefined) check.equal(id, `${name} distinct`, tensors.size, n_distinct);
  for (const [key, tensor] of found) {
    const twin = tensors.get(aliases[key] ?? key)!;
    check.equal(id, `${key} shape`, tensor.shape, twin.shape);
    const read = await file.read(tensor);
    check.closeValues(id, key, twin.dtype === "F32" ? toFloat32(read) : numbers(read), numbers(twin));
  }
  const shared = Object.entries(aliases).filter(([alias, of]) => memory(found, alias) !== memory(found, of));
  check.equal(id, `${name} aliases of their own`, shared, []);
}

/** Compares the states of the optimizer, which the file numbers and the manifest names. */
async function compareMomentum(
  group: GoldenGroup,
  c: GoldenCase,
  file: TorchFile,
  check: Checker,
): Promise<void> {
  const { tensors } = await readSafetensors(`${group.dir}/${c.id}.optimizer_momentum.safetensors`);
  const { parameter_order: order } = c.optimizer as { readonly parameter_order: readonly string[] };
  const optimizer = file.root instanceof Map ? file.root.get("optimizer_state") : undefined;
  const state = optimizer instanceof Map ? optimizer.get("state") : undefined;
  const names: string[] = [];
  for (const [index, buffers] of state instanceof Map ? state : []) {
    const name = order[Number(index)];
    const momentum = buffers instanceof Map ? buffers.get("momentum_buffer") : undefined;
    if (!isTensor(momentum)) continue;
    names.push(name);
    const expected = tensors.get(name);
    if (expected === undefined) check.miss(c.id, `momentum ${name}`, "not recorded");
    else check.closeValues(c.id, `momentum ${name}`, numbers(await file.read(momentum)), numbers(expected));
  }
  check.equal(c.id, "names of momenta", names.sort(), [...tensors.keys()].sort());
}

/** Compares the model of a checkpoint, lazily read and imported, with what `expected` says of every parameter. */
async function compareImport(
  c: GoldenCase,
  path: string,
  out: string,
  expected: (name: string) => SafetensorsTensor | undefined,
  check: Checker,
): Promise<void> {
  await using model = await readModel(path);
  const { used, aliases, skipped, missing } = model.report;
  check.equal(c.id, "missing parameters", missing, []);
  const keys = [...used, ...aliases, ...skipped].map(({ key }) => key);
  check.equal(c.id, "keys accounted for once", new Set(keys).size, keys.length);
  await importModel(path, out);
  const { tensors } = await readSafetensors(out);
  check.equal(
    c.id,
    "imported names",
    [...tensors.keys()].sort(),
    model.parameters.map(({ name }) => name).sort(),
  );
  for (const { name } of model.parameters) {
    const twin = expected(name);
    if (twin === undefined) {
      check.miss(c.id, name, "not recorded");
      continue;
    }
    check.closeValues(c.id, `${name}, read`, await model.tensors.get(name)!.read(), numbers(twin));
    check.closeValues(c.id, `${name}, imported`, numbers(tensors.get(name)!), numbers(twin));
  }
}

async function compareTransfer(
  group: GoldenGroup,
  c: GoldenCase,
  check: Checker,
  folder: string,
): Promise<void> {
  const { in_channels: channels, stem_equals_conv_copy, stem_equals_all_modules } = c.attributes;
  const checkpoint = `${folder}/${c.source}.safetensors`;
  const { model } = await importModel(`${group.dir}/${c.source}`, checkpoint);
  const network = { ...model.network, inputChannels: Number(channels) };
  const { values } = await transferWeights({ checkpoint, parameters: modelParameters("network", network) });
  const recorded = await readTwin(`${group.dir}/${c.expected}`);
  const names = [...values.keys()];
  const encoder = (key: string) => key.startsWith("encoder.") && !key.includes(".all_modules.");
  const all = [...recorded.tensors.keys(), ...Object.keys(recorded.aliases)].filter(encoder);
  check.equal(c.id, "transferred names", names.sort(), all.sort());
  for (const name of names) {
    if (name === STEM && stem_equals_all_modules === false) continue;
    check.closeValues(c.id, name, values.get(name)!, numbers(trained(recorded, name)!));
  }
  if (stem_equals_all_modules !== false) return;
  const source = await readTwin(
    `${group.dir}/${String(c.source).replace(/\.pth$/, "")}.network_weights.safetensors`,
  );
  const spread = (key: string) => {
    const { shape, data } = source.tensors.get(source.aliases[key] ?? key)!;
    return spreadChannels(data as Float32Array<ArrayBuffer>, [shape[0], Number(channels), ...shape.slice(2)]);
  };
  const reference = numbers(trained(recorded, STEM)!);
  check.closeValues(c.id, `${STEM}, ours`, values.get(STEM)!, spread(torchAlias(STEM)!));
  if (stem_equals_conv_copy) check.closeValues(c.id, `${STEM}, the reference's`, spread(STEM), reference);
  else check.miss(c.id, STEM, "the recorded stem is neither of the two copies");
}

/** The trained tensor of a parameter: that of `all_modules` where there is one. */
function trained({ tensors, aliases }: Twin, name: string): SafetensorsTensor | undefined {
  const alias = torchAlias(name);
  const key = alias !== null && (tensors.has(alias) || alias in aliases) ? alias : name;
  return tensors.get(aliases[key] ?? key);
}

async function readTwin(path: string): Promise<Twin> {
  const { tensors, metadata } = await readSafetensors(path);
  return { tensors, aliases: JSON.parse(metadata.aliases ?? "{}") };
}

function tensorsOf(root: TorchValue, name: string): ReadonlyMap<string, TorchTensor> {
  const dictionary = root instanceof Map ? root.get(name) : undefined;
  const found = new Map<string, TorchTensor>();
  for (const [key, value] of dictionary instanceof Map ? dictionary : []) {
    if (isTensor(value)) found.set(String(key), value);
  }
  return found;
}

function isTensor(value: TorchValue | undefined): value is TorchTensor {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tensor";
}

function memory(tensors: ReadonlyMap<string, TorchTensor>, key: string): string {
  const { storage, offset, shape, strides } = tensors.get(key)!;
  return JSON.stringify([storage, offset, shape, strides]);
}

function numbers({ data }: SafetensorsTensor): ArrayLike<number | bigint> {
  return data as unknown as ArrayLike<number | bigint>;
}
