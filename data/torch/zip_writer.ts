import { builtin } from "../builtin.ts";

/** Content of a record starts at a multiple of this, as torch writes it, so that files can be mapped into memory. */
const ALIGNMENT = 64;
const PADDING_FIELD = 0x4246; // the field that torch pads with
const ZIP64_FIELD = 0x0001;
const WIDE = 0xffffffff;
const FIRST_OF_1980 = 0x0021; // the earliest date there is: equal content gives equal bytes

interface Written {
  readonly name: Uint8Array;
  readonly bytes: number;
  readonly crc: number;
  readonly offset: number;
}

/**
 * Writes a zip archive of stored records, one after the other, with zip64 where sizes or places pass 4 GiB and without time stamps.
 * Names must differ.
 *
 * Source: APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16
 */
export class ZipWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #records: Written[] = [];
  #position: number;

  /**
   * @param write takes the archive's bytes in their order
   * @param position what was written before; the archive's offsets count it
   */
  constructor(write: (bytes: Uint8Array) => Promise<void>, position = 0) {
    this.#write = write;
    this.#position = position;
  }

  /** Appends one record. */
  async add(name: string, content: Uint8Array): Promise<void> {
    const record: Written = {
      name: new TextEncoder().encode(name),
      bytes: content.length,
      crc: builtin("node:zlib").crc32(content),
      offset: this.#position,
    };
    await this.#append(localHeader(record));
    await this.#append(content);
    this.#records.push(record);
  }

  /** Appends the directory; nothing can be added afterwards. */
  async finish(): Promise<void> {
    const begin = this.#position;
    for (const record of this.#records) await this.#append(directoryEntry(record));
    await this.#append(endRecords(this.#records.length, begin, this.#position));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes);
    this.#position += bytes.length;
  }
}

/** Little-endian fields, each as [bytes, value]. */
function fields(...items: readonly (readonly [1 | 2 | 4 | 8, number])[]): Uint8Array {
  const bytes = new Uint8Array(items.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of items) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return bytes;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** What the header before the content and the directory have in common: version 4.5 knows zip64, bit 11 says UTF-8. */
function common({ bytes, crc, name }: Written, extraBytes: number): Uint8Array {
  const size = Math.min(bytes, WIDE);
  return join(
    fields([2, 45], [2, 0x0800], [2, 0], [2, 0], [2, FIRST_OF_1980]),
    fields([4, crc], [4, size], [4, size], [2, name.length], [2, extraBytes]),
  );
}

function localHeader(record: Written): Uint8Array {
  const { bytes, name, offset } = record;
  const wide = bytes >= WIDE ? fields([2, ZIP64_FIELD], [2, 16], [8, bytes], [8, bytes]) : new Uint8Array();
  const begin = offset + 30 + name.length + wide.length + 4;
  const padding = (ALIGNMENT - begin % ALIGNMENT) % ALIGNMENT;
  const extra = join(wide, fields([2, PADDING_FIELD], [2, padding]), new Uint8Array(padding).fill(0x5a));
  return join(fields([4, 0x04034b50]), common(record, extra.length), name, extra);
}

function directoryEntry(record: Written): Uint8Array {
  const { bytes, name, offset } = record;
  const sizes: [8, number][] = bytes >= WIDE ? [[8, bytes], [8, bytes]] : [];
  const wide: [8, number][] = offset >= WIDE ? [...sizes, [8, offset]] : sizes;
  const extra = wide.length > 0 ? fields([2, ZIP64_FIELD], [2, 8 * wide.length], ...wide) : new Uint8Array();
  return join(
    fields([4, 0x02014b50], [2, 45]),
    common(record, extra.length),
    fields([2, 0], [2, 0], [2, 0], [4, 0], [4, Math.min(offset, WIDE)]),
    name,
    extra,
  );
}

function endRecords(count: number, begin: number, end: number): Uint8Array {
  const bytes = end - begin;
  const wide = count >= 0xffff || begin >= WIDE || bytes >= WIDE;
  const zip64 = join(
    fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]),
    fields([8, count], [8, count], [8, bytes], [8, begin]),
    fields([4, 0x07064b50], [4, 0], [8, end], [4, 1]),
  );
  const few = Math.min(count, 0xffff);
  return join(
    wide ? zip64 : new Uint8Array(),
    fields([4, 0x06054b50], [2, 0], [2, 0], [2, few], [2, few]),
    fields([4, Math.min(bytes, WIDE)], [4, Math.min(begin, WIDE)], [2, 0]),
  );
}
