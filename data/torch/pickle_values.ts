import type { TorchKey, TorchTensor } from "./types.ts";
import type { SafetensorsDType } from "../safetensors.ts";

/** A class or function that a pickle names; nothing is looked up under this name. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What a call of an unknown class or function would have made. */
export class PickleOpaque {
  constructor(readonly name: string) {}
}

/** A list, tuple or set. */
export class PickleList {
  constructor(readonly items: PickleValue[], readonly form: "list" | "tuple" | "set") {}
}

/** A dict or OrderedDict. */
export class PickleDict {
  readonly entries = new Map<TorchKey, PickleValue>();
}

/** A storage of torch; an untyped one counts bytes and gets its type from the tensor. */
export class PickleStorage {
  constructor(readonly key: string, readonly elements: number, readonly dtype: SafetensorsDType | null) {}
}

/** A tensor: a view of a storage. */
export class PickleTensor {
  constructor(readonly tensor: TorchTensor) {}
}

/** A dtype of numpy. */
export class PickleDtype {
  littleEndian = true;
  constructor(readonly code: string) {}
}

/** An array of numpy; its content comes after its creation. */
export class PickleArray {
  content: PickleValue = null;
}

/** What the machine's stack holds. Plain JavaScript objects and functions never occur. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleGlobal
  | PickleOpaque
  | PickleList
  | PickleDict
  | PickleStorage
  | PickleTensor
  | PickleDtype
  | PickleArray;

/** What the machine asks about classes: the answers are the allow-list. */
export interface PickleHost {
  /** Result of a call, as by the opcodes REDUCE, NEWOBJ, INST and OBJ. */
  call(callee: PickleValue, args: readonly PickleValue[]): PickleValue;
  /** Gives an object its state, as by the opcode BUILD. */
  build(object: PickleValue, state: PickleValue): void;
  /** What a persistent id stands for. */
  persistent(id: PickleValue): PickleValue;
  /** Remembers that something was left out. */
  note(what: string): void;
}
