import type { SafetensorsData, SafetensorsDType, SafetensorsTensor } from "../safetensors.ts";

/** A file of PyTorch that is damaged, hostile or of a form that is not read, or a value that cannot be written as one. */
export class TorchError extends Error {
  override readonly name = "TorchError";
  constructor(message: string, readonly source: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * Where one tensor lies; its values are read by {@linkcode TorchFile.read}.
 * Two tensors with equal `storage`, `offset`, `shape` and `strides` are the same memory: aliases of each other.
 */
export interface TorchTensor {
  readonly kind: "tensor";
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** Steps between neighbours along each axis, in elements; 0 where an axis was expanded. */
  readonly strides: readonly number[];
  /** First element inside the storage, in elements. */
  readonly offset: number;
  /** Name of the storage inside this file. */
  readonly storage: string;
  /** Size of the storage, in elements of `dtype`. */
  readonly storageElements: number;
}

/** Something that is not read: its class is known by name only, and nothing of it was run. */
export interface TorchOpaque {
  readonly kind: "opaque";
  /** Full name of the class or function, such as `pathlib.PosixPath`. */
  readonly name: string;
}

/** Key of a dictionary; Python's other keys are left out, with a note. */
export type TorchKey = string | number | bigint | boolean | null;

/** A dictionary or OrderedDict, in the order of the file; attributes that a file sets on one are left out. */
export type TorchDict = ReadonlyMap<TorchKey, TorchValue>;

/**
 * A value of the file. Tuples and sets are arrays, numpy scalars are numbers, a torch.device, torch.dtype or torch.Size is its text
 * or array; an integer beyond 2^53 is a bigint. The tree has no cycles, and its depth and its size when written out are bounded.
 */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TorchTensor
  | TorchOpaque
  | TorchDict
  | readonly TorchValue[];

/** An opened file of PyTorch: values are here, tensors are read one at a time. */
export interface TorchFile extends AsyncDisposable {
  readonly path: string;
  /** What torch.save was given. */
  readonly root: TorchValue;
  /** What was left out and why, one sentence each. */
  readonly notes: readonly string[];
  /**
   * Values of one tensor, contiguous in C order, in memory of their own; BF16 as raw bits, BOOL as bytes of 0 and 1.
   *
   * @throws {TorchError} when the record is damaged or shorter than said
   */
  read(tensor: TorchTensor): Promise<SafetensorsTensor>;
}

/** Limits for a file that may be hostile. With the defaults, the worst pickles that were tried took 1.1 GB and were over in seconds. */
export interface TorchReadOptions {
  /** Largest size of the pickled structure (without tensors), in bytes; default 64 MiB. */
  readonly maxPickleBytes?: number;
  /** Largest tensor that `read` produces, in bytes; default 2 GiB, and 256 MiB for a view that repeats elements. */
  readonly maxTensorBytes?: number;
}

/** A tensor to be written, in C order; a function is called when its turn comes, so that one tensor is in memory at a time. */
export interface TorchWritableTensor {
  readonly kind: "tensor";
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** The same array or the same function under several names becomes one storage that all of them share. */
  readonly data: SafetensorsData | (() => SafetensorsData | Promise<SafetensorsData>);
}

/** A number that is a float in Python even when it is whole; see {@linkcode torchFloat}. */
export interface TorchFloat {
  readonly kind: "float";
  readonly value: number;
}

/** A collections.OrderedDict, as state dicts are; see {@linkcode torchOrderedDict}. */
export interface TorchOrderedDict {
  readonly kind: "ordered_dict";
  readonly entries: ReadonlyMap<string, TorchWritable>;
}

/** A tuple; see {@linkcode torchTuple}. */
export interface TorchTuple {
  readonly kind: "tuple";
  readonly items: readonly TorchWritable[];
}

/** What can be written: a Map is a dict, an array a list; whole numbers are ints, others floats. */
export type TorchWritable =
  | null
  | boolean
  | number
  | bigint
  | string
  | TorchFloat
  | TorchTuple
  | TorchOrderedDict
  | TorchWritableTensor
  | ReadonlyMap<string | number, TorchWritable>
  | readonly TorchWritable[];

/** A float in Python: `torchFloat(1)` is 1.0, where the number 1 alone would be the int 1. */
export function torchFloat(value: number): TorchFloat {
  return { kind: "float", value };
}

/** An OrderedDict of named values, as torch's state_dict() returns. */
export function torchOrderedDict(entries: ReadonlyMap<string, TorchWritable>): TorchOrderedDict {
  return { kind: "ordered_dict", entries };
}

/** A tuple in Python, where an array alone would be a list. */
export function torchTuple(items: readonly TorchWritable[]): TorchTuple {
  return { kind: "tuple", items };
}
