const MAX_INT_BYTES = 255;

/** Bytes of a pickle of protocol 2 as they are written; only opcodes that torch's restricted reader knows. */
export class PickleOutput {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  constructor() {
    this.opcodes(0x80, 2);
  }

  /** Opcodes, or arguments of one byte. */
  opcodes(...codes: readonly number[]): void {
    this.#bytesOf(Uint8Array.from(codes));
  }

  /** The finished pickle. */
  finish(): Uint8Array {
    this.opcodes(0x2e);
    return this.#bytes.slice(0, this.#length);
  }

  none(): void {
    this.opcodes(0x4e);
  }

  boolean(value: boolean): void {
    this.opcodes(value ? 0x88 : 0x89);
  }

  /** An int in the shortest form. @throws {RangeError} beyond 255 bytes */
  int(value: number | bigint): void {
    if (value >= 0 && value <= 0xff) return this.opcodes(0x4b, Number(value));
    if (value >= 0 && value <= 0xffff) return this.opcodes(0x4d, Number(value) & 0xff, Number(value) >> 8);
    if (value >= -0x80000000 && value <= 0x7fffffff) {
      return this.#number(0x4a, (view) => view.setInt32(1, Number(value), true), 4);
    }
    const big = BigInt(value);
    let length = 5;
    while (length <= MAX_INT_BYTES && BigInt.asIntN(8 * length, big) !== big) length++;
    if (length > MAX_INT_BYTES) throw new RangeError(`an integer of more than ${MAX_INT_BYTES} bytes`);
    this.opcodes(0x8a, length);
    let rest = BigInt.asUintN(8 * length, big);
    for (let i = 0; i < length; i++, rest >>= 8n) this.opcodes(Number(rest & 0xffn));
  }

  float(value: number): void {
    this.#number(0x47, (view) => view.setFloat64(1, value, false), 8);
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.#number(0x58, (view) => view.setUint32(1, bytes.length, true), 4);
    this.#bytesOf(bytes);
  }

  /** A class or function by its name. */
  global(module: string, name: string): void {
    this.opcodes(0x63);
    this.#bytesOf(new TextEncoder().encode(`${module}\n${name}\n`));
  }

  /** A tuple whose items `write` puts on the stack. */
  tuple(write: () => void): void {
    this.opcodes(0x28);
    write();
    this.opcodes(0x74);
  }

  /** Calls the global that lies on the stack with the arguments that `write` puts there. */
  call(write: () => void): void {
    this.tuple(write);
    this.opcodes(0x52);
  }

  #number(opcode: number, write: (view: DataView) => void, bytes: number): void {
    const piece = new Uint8Array(1 + bytes);
    piece[0] = opcode;
    write(new DataView(piece.buffer));
    this.#bytesOf(piece);
  }

  #bytesOf(piece: Uint8Array): void {
    const wanted = this.#length + piece.length;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = wanted;
  }
}
