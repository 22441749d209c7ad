import { ZarrArray } from "./zarr/mod.ts";

/** Arrays of one store, opened when they are asked for; the least recently used are closed again. */
export class ArrayCache implements Disposable {
  readonly #open = new Map<string, ZarrArray>(); // oldest use first

  /** @param most arrays kept open at a time */
  constructor(readonly store: string, readonly most = 64) {}

  /** The array at a path relative to the store. @throws {DataError} when it is missing or damaged */
  get(path: string): ZarrArray {
    let array = this.#open.get(path);
    if (array) this.#open.delete(path); // moves it to the young end
    else array = ZarrArray.open(`${this.store}/${path}`);
    this.#open.set(path, array);
    if (this.#open.size > this.most) {
      const [oldest, oldArray] = this.#open.entries().next().value!;
      oldArray.close();
      this.#open.delete(oldest);
    }
    return array;
  }

  /** Closes all files; they are opened again when needed. */
  close(): void {
    for (const array of this.#open.values()) array.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
