/** Reads a pickle byte by byte; every length is checked before anything is allocated. */
export class PickleBytes {
  position = 0;
  readonly #view: DataView;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param fail called, and expected to throw, when the bytes end early */
  constructor(readonly bytes: Uint8Array, readonly fail: (what: string) => never) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Moves on by a number of bytes and returns where they begin. */
  take(length: number): number {
    const begin = this.position;
    if (length > this.bytes.length - begin) {
      this.fail(`${length} bytes are announced, ${this.bytes.length - begin} are left`);
    }
    this.position = begin + length;
    return begin;
  }

  uint8(): number {
    return this.#view.getUint8(this.take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.take(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.take(4), true);
  }

  /** An 8-byte length; one beyond 2^53 is larger than any file all the same. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.take(8), true));
  }

  float64(): number {
    return this.#view.getFloat64(this.take(8), false);
  }

  /** Copy of the next bytes. */
  slice(length: number): Uint8Array {
    const begin = this.take(length);
    return this.bytes.slice(begin, begin + length);
  }

  utf8(length: number): string {
    const begin = this.take(length);
    return this.#utf8.decode(this.bytes.subarray(begin, begin + length));
  }

  latin1(length: number): string {
    const begin = this.take(length);
    return latin1(this.bytes.subarray(begin, begin + length));
  }

  /** Text up to the next line feed, one character a byte. */
  line(limit: number): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) this.fail("a line does not end");
    if (end - this.position > limit) this.fail(`a line of ${end - this.position} bytes, limit ${limit}`);
    const text = this.latin1(end - this.position);
    this.position = end + 1;
    return text;
  }

  /** A signed integer of any size, least significant byte first; a bigint only beyond 2^53. */
  integer(length: number): number | bigint {
    const begin = this.take(length);
    let value = 0n;
    for (let i = begin + length - 1; i >= begin; i--) value = (value << 8n) | BigInt(this.bytes[i]);
    return narrow(length > 0 ? BigInt.asIntN(8 * length, value) : 0n);
  }
}

/** A number where it is exact, else the bigint. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** One character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}
