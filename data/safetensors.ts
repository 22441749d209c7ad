/** A safetensors file that is damaged, or tensors that cannot be written as one. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
  constructor(message: string, readonly source: string) {
    super(message);
  }
}

/** Typed array of each dtype. BF16 has no typed array: its 16 raw bits; BOOL: bytes of 0 and 1. */
const ARRAYS = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Float16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** Element types of the format that this project reads and writes. */
export type SafetensorsDType = keyof typeof ARRAYS;
/** Values of one tensor in the typed array of its dtype. */
export type SafetensorsData = InstanceType<(typeof ARRAYS)[SafetensorsDType]>;

/** One tensor: C order, last axis fastest; a scalar has shape `[]`. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: SafetensorsData;
}

/** Where one tensor lies, relative to the end of the header. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Parsed header. `headerBytes` counts the 8 length bytes too: tensor bytes start there. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly headerBytes: number;
  readonly totalBytes: number;
}

/** Bytes of one element. */
export function elementBytes(dtype: SafetensorsDType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

const MAX_HEADER_BYTES = 100_000_000; // limit of the format's own reader: a damaged length must not allocate gigabytes

/** Header length in bytes from the file's first 8 bytes. @throws {SafetensorsError} if it cannot be right */
export function headerLength(first: Uint8Array, fileBytes: number, source: string): number {
  if (first.length < 8) {
    throw new SafetensorsError(
      `Cannot read ${source}: found ${first.length} bytes, wanted at least 8: not a safetensors file`,
      source,
    );
  }
  const length = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || length + 8 > fileBytes) {
    throw new SafetensorsError(
      `Cannot read ${source}: header claims ${length} bytes, the file has ${fileBytes}: ` +
        `truncated or not a safetensors file`,
      source,
    );
  }
  return length;
}

/**
 * Parses and checks a header.
 *
 * @param text the header's JSON bytes, without the 8 length bytes
 * @param fileBytes size of the whole file
 * @param source file name for messages
 * @throws {SafetensorsError} on bad JSON, unknown dtype, a wrong size, a gap, an overlap, or missing or surplus bytes
 * Source: format description at https://github.com/huggingface/safetensors
 */
export function parseHeader(text: Uint8Array, fileBytes: number, source: string): SafetensorsHeader {
  const fail = (what: string): never => {
    throw new SafetensorsError(`Cannot read ${source}: ${what}`, source);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (cause) {
    throw new SafetensorsError(
      `Cannot read ${source}: header is no JSON: ${(cause as Error).message}`,
      source,
    );
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    fail("header is no JSON object");
  }
  const { __metadata__: metadata = {}, ...rest } = parsed as Record<string, unknown>;
  if (
    typeof metadata !== "object" || metadata === null ||
    Object.values(metadata).some((v) => typeof v !== "string")
  ) {
    fail("__metadata__ must map names to text");
  }
  const entries = Object.entries(rest).map(([name, value]) => [name, checkEntry(name, value, fail)] as const);
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  const available = fileBytes - 8 - text.length;
  let position = 0;
  for (const [name, { begin, end }] of entries) {
    if (begin > position) fail(`${begin - position} bytes before tensor "${name}" belong to no tensor`);
    if (begin < position) {
      fail(`tensor "${name}" starts at ${begin}, inside the tensor that ends at ${position}`);
    }
    position = end;
  }
  if (position > available) fail(`tensors need ${position} bytes, found ${available}: the file is truncated`);
  if (position < available) fail(`${available - position} bytes after the last tensor belong to no tensor`);
  return {
    metadata: metadata as Record<string, string>,
    tensors: new Map(entries),
    headerBytes: 8 + text.length,
    totalBytes: fileBytes,
  };
}

function checkEntry(name: string, value: unknown, fail: (what: string) => never): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAYS, dtype)) {
    fail(
      `tensor "${name}" has dtype ${JSON.stringify(dtype)}, wanted one of ${Object.keys(ARRAYS).join(", ")}`,
    );
  }
  const isSize = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    fail(`tensor "${name}" has shape ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    fail(`tensor "${name}" has data_offsets ${JSON.stringify(offsets)}, wanted [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  const wanted = (shape as number[]).reduce(
    (product, n) => product * n,
    elementBytes(dtype as SafetensorsDType),
  );
  if (end - begin !== wanted) {
    fail(`tensor "${name}" spans ${end - begin} bytes, shape [${shape}] as ${dtype} needs ${wanted}`);
  }
  return { dtype: dtype as SafetensorsDType, shape: shape as number[], begin, end };
}

/**
 * Lays tensors out for writing: largest elements first (so that every tensor is aligned), then by name, hence the same
 * bytes for the same content whatever the order given.
 *
 * @returns names in file order and the header's bytes including its length, padded with spaces to a multiple of 8
 * @throws {SafetensorsError} on a reserved name
 */
export function layoutHeader(
  tensors: ReadonlyMap<string, Pick<SafetensorsTensor, "dtype" | "shape">>,
  metadata: Readonly<Record<string, string>>,
  source: string,
): { readonly names: readonly string[]; readonly header: Uint8Array<ArrayBuffer> } {
  if (tensors.has("__metadata__")) {
    throw new SafetensorsError(
      `Cannot write ${source}: "__metadata__" is reserved, rename that tensor`,
      source,
    );
  }
  const byName = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;
  const size = (name: string) => elementBytes(tensors.get(name)!.dtype);
  const names = [...tensors.keys()].sort((a, b) => size(b) - size(a) || byName(a, b));
  const json: [string, unknown][] = [];
  const metadataKeys = Object.keys(metadata).sort(byName);
  if (metadataKeys.length > 0) {
    json.push(["__metadata__", Object.fromEntries(metadataKeys.map((k) => [k, metadata[k]]))]);
  }
  let position = 0;
  for (const name of names) {
    const { dtype, shape } = tensors.get(name)!;
    const end = shape.reduce((product, n) => product * n, elementBytes(dtype)) + position;
    json.push([name, { dtype, shape, data_offsets: [position, end] }]);
    position = end;
  }
  // Written entry by entry: a plain object would move names that look like whole numbers to the front.
  const text = "{" + json.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",") +
    "}";
  const bytes = new TextEncoder().encode(text);
  const padded = Math.ceil(bytes.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(bytes, 8);
  return { names, header };
}

/** The bytes of a tensor, checked against its shape and dtype. @throws {SafetensorsError} if they do not match */
export function tensorBytes(
  name: string,
  entry: Pick<SafetensorsTensor, "dtype" | "shape">,
  data: SafetensorsData,
  source: string,
): Uint8Array<ArrayBuffer> {
  const wanted = entry.shape.reduce((product, n) => product * n, 1);
  if (!(data instanceof ARRAYS[entry.dtype]) || data.length !== wanted) {
    throw new SafetensorsError(
      `Cannot write tensor "${name}" to ${source}: found ${data.constructor.name} of ${data.length}, ` +
        `wanted ${ARRAYS[entry.dtype].name} of ${wanted} for ${entry.dtype} [${entry.shape}]`,
      source,
    );
  }
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** Typed view of a tensor's bytes; copies when the bytes are not aligned for the dtype. */
export function tensorView(bytes: Uint8Array<ArrayBuffer>, dtype: SafetensorsDType): SafetensorsData {
  const ArrayType = ARRAYS[dtype];
  const aligned = bytes.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new ArrayType(aligned.buffer, aligned.byteOffset, aligned.byteLength / ArrayType.BYTES_PER_ELEMENT);
}

/**
 * Encodes tensors as one safetensors file in memory. Equal content gives equal bytes.
 *
 * @example
 * ```ts
 * const bytes = encodeSafetensors(new Map([["bias", { dtype: "F32", shape: [2], data: new Float32Array([1, 2]) }]]));
 * decodeSafetensors(bytes).tensors.get("bias")!.data; // Float32Array [1, 2]
 * ```
 * @throws {SafetensorsError} if a tensor's data does not match its shape and dtype
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { names, header } = layoutHeader(tensors, metadata, "memory");
  const parts = names.map((name) => tensorBytes(name, tensors.get(name)!, tensors.get(name)!.data, "memory"));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, header.length));
  bytes.set(header);
  let position = header.length;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

/**
 * Decodes a safetensors file held in memory; tensors are views into `bytes` wherever alignment allows.
 *
 * @param source file name for messages
 * @throws {SafetensorsError} as {@linkcode parseHeader}
 */
export function decodeSafetensors(
  bytes: Uint8Array<ArrayBuffer>,
  source = "memory",
): { readonly tensors: Map<string, SafetensorsTensor>; readonly metadata: Readonly<Record<string, string>> } {
  const length = headerLength(bytes, bytes.length, source);
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.length, source);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, { dtype, shape, begin, end }] of header.tensors) {
    const data = tensorView(bytes.subarray(header.headerBytes + begin, header.headerBytes + end), dtype);
    tensors.set(name, { dtype, shape, data });
  }
  return { tensors, metadata: header.metadata };
}
