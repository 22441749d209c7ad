import { elementBytes, type SafetensorsTensor, tensorView } from "../safetensors.ts";
import { type ByteSource, openByteSource } from "./byte_source.ts";
import { readPickle } from "./read_pickle.ts";
import { elementCount, gatherStrided, isContiguous, viewSpan } from "./strides.ts";
import { refuseForeignFile } from "./refuse_foreign_file.ts";
import { TorchClasses } from "./torch_classes.ts";
import { torchTree } from "./torch_tree.ts";
import { TorchError, type TorchFile, type TorchReadOptions, type TorchTensor } from "./types.ts";
import { readZipDirectory, type ZipRecord } from "./zip_directory.ts";
import { ZipReader } from "./zip_reader.ts";

const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
const MAX_TENSOR_BYTES = 2 ** 31;
/** A view that repeats elements (stride 0) may claim any size from a few bytes. */
const MAX_REPEATED_BYTES = 256 * 1024 * 1024;

/**
 * Opens a file written by torch.save: its structure is read, tensors only when they are asked for. Nothing in the file is ever run;
 * classes that this reader does not know become opaque values with a note. Sizes are checked before memory is taken.
 *
 * @example
 * ```ts ignore
 * await using file = await openTorchFile("checkpoint_final.pth");
 * const weights = (file.root as TorchDict).get("network_weights") as TorchDict;
 * const { data } = await file.read(weights.get("encoder.stem.convs.0.conv.weight") as TorchTensor);
 * ```
 * @throws {TorchError} when the file is damaged, hostile or of a form that is not read: the old format of torch before 1.6, TorchScript
 * @throws {DataError} when it cannot be opened
 */
export async function openTorchFile(path: string, options: TorchReadOptions = {}): Promise<TorchFile> {
  const source = await openByteSource(path);
  try {
    return await readTorch(source, options);
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** As {@linkcode openTorchFile}, from any source, which the returned file closes. */
export async function readTorch(source: ByteSource, options: TorchReadOptions = {}): Promise<TorchFile> {
  const path = source.name;
  const fail = (what: string): never => {
    throw new TorchError(`Cannot read ${path}: ${what}`, path);
  };
  await refuseForeignFile(source);
  const records = await readZipDirectory(source);
  const archive = new ZipReader(source);
  const { folder, pickle } = findPickle(records, fail);
  const limit = options.maxPickleBytes ?? MAX_PICKLE_BYTES;
  if (pickle.bytes > limit) {
    fail(
      `found a structure of ${pickle.bytes} bytes, wanted at most ${limit}: raise maxPickleBytes if you trust the file`,
    );
  }
  await checkByteOrder(records.get(`${folder}byteorder`), archive, fail);
  const refuse = (what: string): never =>
    fail(`${what}: the file is damaged or hostile, get it again from a source that you trust`);
  const classes = new TorchClasses((key) => records.get(`${folder}data/${key}`)?.bytes, refuse);
  const pickled = readPickle(await archive.read(pickle), classes, refuse);
  const root = torchTree(pickled, (name) => classes.opaque(name), refuse);

  return {
    path,
    root,
    notes: classes.notes(),
    async read(tensor) {
      const { dtype, shape, strides, offset, storage } = tensor;
      const bytes = checkSize(tensor, options.maxTensorBytes ?? MAX_TENSOR_BYTES, fail);
      const begin = offset * elementBytes(dtype);
      const end = begin + viewSpan(shape, strides) * elementBytes(dtype);
      const record = records.get(`${folder}data/${storage}`);
      const inline = classes.inline.get(storage);
      if (end > (inline?.length ?? record?.bytes ?? -1)) {
        return fail(
          `the tensor of shape [${shape}] reaches beyond storage ${storage}: take tensors from this file's root`,
        );
      }
      const span = inline ? inline.slice(begin, end) : await archive.read(record!, begin, end);
      const values = tensorView(span as Uint8Array<ArrayBuffer>, dtype);
      if (isContiguous(shape, strides)) return { dtype, shape, data: values };
      const data = tensorView(new Uint8Array(bytes), dtype);
      gatherStrided<number | bigint>(values, data, shape, strides);
      return { dtype, shape, data } satisfies SafetensorsTensor;
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** The pickle and the folder that everything lies in; torch names the folder after the file. */
function findPickle(
  records: ReadonlyMap<string, ZipRecord>,
  fail: (what: string) => never,
): { folder: string; pickle: ZipRecord } {
  const found = [...records.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (found.length !== 1) {
    return fail(
      `found a zip archive with ${found.length} records named */data.pkl, wanted one: torch.save writes such a file`,
    );
  }
  const [pickle] = found;
  const folder = pickle.name.slice(0, -"data.pkl".length);
  if (
    records.has(`${folder}constants.pkl`) ||
    [...records.keys()].some((name) => name.startsWith(`${folder}code/`))
  ) {
    fail(
      "found a TorchScript program, wanted weights: load it with torch.jit.load in PyTorch and save its state_dict() with torch.save",
    );
  }
  return { folder, pickle };
}

async function checkByteOrder(
  record: ZipRecord | undefined,
  archive: ZipReader,
  fail: (what: string) => never,
): Promise<void> {
  if (record === undefined) return; // torch before 2.0 wrote none, on little-endian machines
  const order = record.bytes <= 16 ? new TextDecoder().decode(await archive.read(record)).trim() : "unknown";
  if (order !== "little") {
    fail(
      `found byte order ${JSON.stringify(order)}, wanted "little": save it again on a little-endian machine`,
    );
  }
}

/** Bytes of a tensor's values in C order. */
function checkSize(tensor: TorchTensor, limit: number, fail: (what: string) => never): number {
  const { dtype, shape, strides, storageElements } = tensor;
  const count = elementCount(shape), bytes = count * elementBytes(dtype);
  const span = viewSpan(shape, strides) * elementBytes(dtype);
  const allowed = count > storageElements ? Math.min(limit, MAX_REPEATED_BYTES) : limit;
  if (!(bytes <= allowed && span <= limit)) {
    fail(
      `the tensor of shape [${shape}] needs ${
        Math.max(bytes, span)
      } bytes, wanted at most ${allowed}: raise maxTensorBytes if you trust it`,
    );
  }
  return bytes;
}
