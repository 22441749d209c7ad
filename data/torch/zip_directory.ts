import type { ByteSource } from "./byte_source.ts";
import { printable } from "./printable.ts";
import { TorchError } from "./types.ts";

/** One record of a zip archive, as its central directory tells. */
export interface ZipRecord {
  readonly name: string;
  /** Whether the content is deflated; else it is stored as it is. */
  readonly deflated: boolean;
  /** Size of the content, in bytes. */
  readonly bytes: number;
  /** Size in the archive, in bytes. */
  readonly packedBytes: number;
  readonly crc: number;
  /** Where the record's own header starts. */
  readonly headerOffset: number;
  /** Where the next record or the directory starts: the content ends there at the latest. */
  readonly end: number;
}

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024; // hundreds of thousands of records; torch writes one a storage
const HEADER_BYTES = 30;
/** Deflate cannot shrink further than 258 bytes to 2 bits; more is no content but an attack. */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Reads the central directory of a zip archive, with zip64. Everything is checked before anything depends on it: records may not
 * overlap (the trick of archives that unpack to petabytes), claim more than deflate can give, share a name, be encrypted, or have
 * a name that leads out of a folder.
 *
 * @returns records by name, in the order of the directory
 * @throws {TorchError} when the archive is damaged or one of these rules is broken
 * Source: APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16
 */
export async function readZipDirectory(source: ByteSource): Promise<Map<string, ZipRecord>> {
  const fail = (what: string): never => {
    throw new TorchError(
      `Cannot read ${source.name}: ${what}: the file is damaged or hostile, copy or download it again`,
      source.name,
    );
  };
  const { begin, end } = await locateDirectory(source, fail);
  if (end - begin > MAX_DIRECTORY_BYTES) {
    fail(`its zip directory claims ${end - begin} bytes, limit ${MAX_DIRECTORY_BYTES}`);
  }
  const bytes = await readExactly(source, begin, end - begin, fail);
  const view = new DataView(bytes.buffer);
  const found: Omit<ZipRecord, "end">[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) {
      fail(`its zip directory is damaged at byte ${begin + at}`);
    }
    const nameBytes = view.getUint16(at + 28, true), extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > bytes.length) fail(`its zip directory is damaged at byte ${begin + at}`);
    const name = checkName(bytes.subarray(at + 46, at + 46 + nameBytes), fail);
    const method = view.getUint16(at + 10, true);
    if (method !== 0 && method !== 8) {
      fail(`record ${printable(name)} is packed with method ${method}, wanted stored or deflated`);
    }
    if ((view.getUint16(at + 8, true) & 1) !== 0) fail(`record ${printable(name)} is encrypted`);
    const sizes = [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ];
    const extra = new DataView(bytes.buffer, at + 46 + nameBytes, extraBytes);
    const [size, packedBytes, headerOffset] = widen(sizes, extra) ??
      fail(`record ${printable(name)} has a damaged zip64 field`);
    found.push({
      name,
      deflated: method === 8,
      bytes: size,
      packedBytes,
      crc: view.getUint32(at + 16, true),
      headerOffset,
    });
    at = next;
  }
  return arrange(found, begin, fail);
}

/** Puts records in file order to see that none overlaps another, and gives each its end. */
function arrange(
  found: readonly Omit<ZipRecord, "end">[],
  directoryBegin: number,
  fail: (what: string) => never,
): Map<string, ZipRecord> {
  const ends = new Map<object, number>();
  const ordered = [...found].sort((a, b) => b.headerOffset - a.headerOffset);
  let limit = directoryBegin;
  for (const record of ordered) {
    const { name, headerOffset, packedBytes, bytes, deflated } = record;
    if (headerOffset + HEADER_BYTES + packedBytes > limit) {
      fail(`record ${printable(name)} reaches into the next one`);
    }
    if (!deflated && bytes !== packedBytes) {
      fail(`record ${printable(name)} is stored, but its sizes differ: ${packedBytes} and ${bytes} bytes`);
    }
    if (deflated && bytes > packedBytes * MAX_DEFLATE_RATIO) {
      fail(`record ${printable(name)} claims ${bytes} bytes from ${packedBytes}: more than deflate can give`);
    }
    ends.set(record, limit);
    limit = headerOffset;
  }
  const records = new Map<string, ZipRecord>();
  for (const record of found) {
    if (records.has(record.name)) fail(`record ${printable(record.name)} is there twice`);
    records.set(record.name, { ...record, end: ends.get(record)! });
  }
  return records;
}

/** Begin and end of the central directory. */
async function locateDirectory(
  source: ByteSource,
  fail: (what: string) => never,
): Promise<{ begin: number; end: number }> {
  const tailBegin = Math.max(0, source.bytes - END_BYTES - MAX_COMMENT_BYTES - 20);
  const tail = await readExactly(source, tailBegin, source.bytes - tailBegin, fail);
  const view = new DataView(tail.buffer);
  let at = tail.length - END_BYTES;
  while (
    at >= 0 &&
    !(view.getUint32(at, true) === 0x06054b50 &&
      at + END_BYTES + view.getUint16(at + 20, true) === tail.length)
  ) {
    at--;
  }
  if (at < 0) fail("found no end of a zip archive");
  let bytes = view.getUint32(at + 12, true), begin = view.getUint32(at + 16, true), end = tailBegin + at;
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    const position = Number(view.getBigUint64(at - 12, true));
    if (position + 56 > tailBegin + at - 20) fail("its zip64 end record lies outside the file");
    const record = new DataView((await readExactly(source, position, 56, fail)).buffer);
    if (record.getUint32(0, true) !== 0x06064b50) fail("its zip64 end record is damaged");
    bytes = Number(record.getBigUint64(40, true));
    begin = Number(record.getBigUint64(48, true));
    end = position;
  }
  if (begin + bytes > end) {
    fail(
      `its zip directory claims bytes ${begin} to ${begin + bytes}, it must end before ${end}`,
    );
  }
  return { begin, end: begin + bytes };
}

/** Sizes of the directory, with those taken from the zip64 field that did not fit; null when that field is damaged. */
function widen(sizes: readonly number[], extra: DataView): number[] | null {
  if (!sizes.includes(0xffffffff)) return [...sizes];
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) !== 1) {
      at += 4 + length;
      continue;
    }
    const end = Math.min(extra.byteLength, at + 4 + length);
    let next = at + 4;
    const wide = sizes.map((size) => {
      if (size !== 0xffffffff) return size;
      next += 8;
      return next > end ? NaN : Number(extra.getBigUint64(next - 8, true));
    });
    return wide.every(Number.isSafeInteger) ? wide : null;
  }
  return null;
}

function checkName(bytes: Uint8Array, fail: (what: string) => never): string {
  const name = new TextDecoder().decode(bytes);
  const parts = name.split("/");
  if (
    name === "" || parts.includes("..") || parts.includes("") && !name.endsWith("/") || /[\\:\0]/.test(name)
  ) {
    fail(
      `record ${printable(name)} has a name that leads out of the archive`,
    );
  }
  return name;
}

async function readExactly(
  source: ByteSource,
  offset: number,
  length: number,
  fail: (what: string) => never,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const count = await source.read(bytes, offset);
  if (count < length) fail(`it ended ${length - count} bytes early`);
  return bytes;
}
