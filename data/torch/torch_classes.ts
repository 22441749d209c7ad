import { elementBytes } from "../safetensors.ts";
import { numpyScalar } from "./numpy_scalar.ts";
import {
  PickleArray,
  PickleDict,
  PickleDtype,
  PickleGlobal,
  type PickleHost,
  PickleList,
  PickleOpaque,
  PickleStorage,
  PickleTensor,
  type PickleValue,
} from "./pickle_values.ts";
import { printable } from "./printable.ts";
import { contiguousStrides, elementCount, viewSpan } from "./strides.ts";
import { DTYPES, NUMPY_CODES, STORAGES, swapBytes } from "./torch_dtypes.ts";

type Callee = (args: readonly PickleValue[]) => PickleValue;

const MAX_AXES = 64;
const MAX_NOTES = 100;
/** Characters of a storage's name; torch numbers them. */
const MAX_STORAGE_NAME = 100;
/** What calls may copy, in bytes: the only step whose cost is not linear in the pickle's size. */
const MAX_COPIED_BYTES = 256 * 1024 * 1024;

/**
 * The classes and functions that a file of PyTorch may name, each rebuilt as plain data. Every other name becomes an opaque value with
 * a note; what the file wanted to do with it is not done.
 */
export class TorchClasses implements PickleHost {
  /** Content of numpy arrays, which lies in the pickle itself, by the name of its storage. */
  readonly inline = new Map<string, Uint8Array>();
  readonly #notes = new Map<string, number>();
  readonly #callees: ReadonlyMap<string, Callee>;
  #copiedBytes = 0;

  /**
   * @param storageBytes size of a storage's record, undefined when there is none
   * @param fail throws
   */
  constructor(
    private readonly storageBytes: (key: string) => number | undefined,
    private readonly fail: (what: string) => never,
  ) {
    const dict: Callee = (args) => this.#dict(args);
    const scalar: Callee = (args) => this.#scalar(args);
    const emptyArray: Callee = () => new PickleArray();
    const buffer: Callee = (args) => this.#fromBuffer(args);
    this.#callees = new Map<string, Callee>([
      ["collections.OrderedDict", dict],
      ["collections.defaultdict", (args) => this.#dict(args.slice(1))],
      ["torch._utils._rebuild_tensor_v2", (args) => this.#tensor(args)],
      ["torch._utils._rebuild_tensor", (args) => this.#tensor(args)],
      ["torch._utils._rebuild_tensor_v3", (args) => this.#tensor(args, args[6])],
      ["torch._utils._rebuild_parameter", ([data]) => data ?? this.fail("a parameter without data")],
      [
        "torch._utils._rebuild_parameter_with_state",
        ([data]) => data ?? this.fail("a parameter without data"),
      ],
      ["torch.Size", ([items]) => this.#list(items, "tuple")],
      ["torch.device", (args) => deviceName(args) ?? this.fail("a torch.device without a name")],
      ["_codecs.encode", (args) => this.#encode(args)],
      ["numpy.dtype", (args) => this.#dtype(args)],
      ...["numpy.core", "numpy._core"].flatMap((core): [string, Callee][] => [
        [`${core}.multiarray.scalar`, scalar],
        [`${core}.multiarray._reconstruct`, emptyArray],
        [`${core}.numeric._frombuffer`, buffer],
      ]),
      ...["builtins", "__builtin__"].flatMap((module): [string, Callee][] => [
        [`${module}.dict`, dict],
        [`${module}.list`, ([items]) => this.#list(items, "list")],
        [`${module}.tuple`, ([items]) => this.#list(items, "tuple")],
        [`${module}.set`, ([items]) => this.#list(items, "set")],
        [`${module}.frozenset`, ([items]) => this.#list(items, "set")],
        [`${module}.bytearray`, (args) => this.#encode(args)],
        [`${module}.bytes`, (args) => this.#encode(args)],
      ]),
    ]);
  }

  /** What was left out, one sentence a kind. */
  notes(): string[] {
    return [...this.#notes].map(([what, times]) => times > 1 ? `${what} (${times} times)` : what);
  }

  note(what: string): void {
    const kind = this.#notes.has(what) || this.#notes.size < MAX_NOTES
      ? what
      : "further values were left out";
    this.#notes.set(kind, (this.#notes.get(kind) ?? 0) + 1);
  }

  call(callee: PickleValue, args: readonly PickleValue[]): PickleValue {
    if (!(callee instanceof PickleGlobal)) {
      if (callee instanceof PickleOpaque) return callee;
      return this.fail("it calls what is no function");
    }
    return this.#callees.get(callee.name)?.(args) ?? this.opaque(callee.name);
  }

  /** An opaque value, with a note of it. */
  opaque(name: string): PickleOpaque {
    this.note(
      `values of ${printable(name)} were left out: this class is not read, and nothing of it was run`,
    );
    return new PickleOpaque(name);
  }

  build(object: PickleValue, state: PickleValue): void {
    if (object instanceof PickleDtype) {
      const order = state instanceof PickleList ? state.items[1] : undefined;
      if (order === ">") object.littleEndian = false;
    } else if (object instanceof PickleArray) {
      object.content = this.#arrayContent(state);
    } else if (
      !(object instanceof PickleDict || object instanceof PickleOpaque || object instanceof PickleTensor ||
        object instanceof PickleList)
    ) this.fail("it gives a state to what has none");
  }

  persistent(id: PickleValue): PickleStorage {
    const [tag, type, key, , elements] = id instanceof PickleList ? id.items : [];
    if (
      tag !== "storage" || !(type instanceof PickleGlobal) || typeof key !== "string" ||
      key.length > MAX_STORAGE_NAME || !isSize(elements)
    ) {
      return this.fail("a reference to a storage has not the form that torch.save writes");
    }
    const untyped = type.name === "torch.storage.UntypedStorage" || type.name === "torch.UntypedStorage";
    const dtype = STORAGES.get(/^torch(?:\.cuda)?\.(\w+)$/.exec(type.name)?.[1] ?? "") ?? null;
    const found = this.storageBytes(key);
    if (found === undefined) return this.fail(`storage ${printable(key)} has no record`);
    if (dtype !== null && found < elements * elementBytes(dtype)) {
      return this.fail(
        `storage ${printable(key)} has ${found} bytes, ${elements} elements of ${dtype} are announced`,
      );
    }
    if (untyped && found < elements) {
      return this.fail(`storage ${printable(key)} has ${found} bytes, ${elements} are announced`);
    }
    if (dtype === null && !untyped) {
      this.note(`tensors of ${printable(type.name)} were left out: this element type is not read`);
      return new PickleStorage(key, 0, null);
    }
    return new PickleStorage(key, elements, dtype);
  }

  #spend(bytes: number): void {
    this.#copiedBytes += bytes;
    if (this.#copiedBytes > MAX_COPIED_BYTES) this.fail(`its calls copy more than ${MAX_COPIED_BYTES} bytes`);
  }

  #sizes(value: PickleValue | undefined): number[] | null {
    if (!(value instanceof PickleList) || value.items.length > MAX_AXES || !value.items.every(isSize)) {
      return null;
    }
    this.#spend(8 * value.items.length);
    return value.items.slice() as number[];
  }

  #tensor(args: readonly PickleValue[], type?: PickleValue): PickleValue {
    const [storage, offset, size, stride] = args;
    if (!(storage instanceof PickleStorage)) return this.fail("a tensor without a storage");
    const named = type instanceof PickleGlobal ? DTYPES.get(type.name.replace(/^torch\./, "")) : undefined;
    const dtype = storage.dtype ?? named;
    if (dtype === undefined) {
      return this.opaque(type instanceof PickleGlobal ? `torch.Tensor of ${type.name}` : "torch.Tensor");
    }
    const shape = this.#sizes(size), strides = this.#sizes(stride);
    if (shape === null || strides === null || shape.length !== strides.length || !isSize(offset)) {
      return this.fail("a tensor whose shape, strides or offset are no numbers");
    }
    const elements = storage.dtype === null
      ? Math.floor(storage.elements / elementBytes(dtype))
      : storage.elements;
    const count = elementCount(shape), span = viewSpan(shape, strides);
    if (!Number.isSafeInteger(count)) return this.fail(`a tensor of shape [${shape}]`);
    if (offset + span > elements) {
      return this.fail(
        `a tensor of shape [${shape}], strides [${strides}] at ${offset} reaches beyond its storage of ${elements}`,
      );
    }
    return new PickleTensor({
      kind: "tensor",
      dtype,
      shape,
      strides,
      offset,
      storage: storage.key,
      storageElements: elements,
    });
  }

  #dict([source]: readonly PickleValue[]): PickleDict {
    const dict = new PickleDict();
    if (source instanceof PickleDict) this.#spend(64 * source.entries.size);
    if (source instanceof PickleList) this.#spend(64 * source.items.length);
    if (source instanceof PickleDict) {
      for (const [key, value] of source.entries) dict.entries.set(key, value);
    } else if (source instanceof PickleList) {
      for (const pair of source.items) {
        const [key, value] = pair instanceof PickleList && pair.items.length === 2 ? pair.items : [];
        if (value === undefined) return this.fail("a dictionary is made from what are no pairs");
        if (key === null || typeof key !== "object") dict.entries.set(key, value);
        else this.note("dictionary keys that are neither text nor numbers were left out");
      }
    }
    return dict;
  }

  #list(items: PickleValue | undefined, form: PickleList["form"]): PickleList {
    if (items !== undefined && !(items instanceof PickleList)) {
      return this.fail(`a ${form} is made from what is no list`);
    }
    this.#spend(8 * (items?.items.length ?? 0));
    return new PickleList(items?.items.slice() ?? [], form);
  }

  /** `_codecs.encode(text, "latin1")`, which is how protocol 2 writes bytes. */
  #encode([text]: readonly PickleValue[]): PickleValue {
    if (text instanceof Uint8Array) return text;
    if (text === undefined) return new Uint8Array();
    if (typeof text !== "string") return this.opaque("bytes");
    this.#spend(text.length);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  #dtype([code]: readonly PickleValue[]): PickleValue {
    if (code instanceof PickleGlobal || typeof code !== "string") return this.opaque("numpy.dtype");
    return new PickleDtype(code.replace(/^[<>=|]/, ""));
  }

  #scalar([type, content]: readonly PickleValue[]): PickleValue {
    const bytes = typeof content === "string" ? this.#encode([content]) : content;
    if (!(type instanceof PickleDtype) || !(bytes instanceof Uint8Array)) return this.opaque("numpy.generic");
    this.#spend(bytes.length);
    return numpyScalar(type, bytes) ?? this.opaque(`numpy.generic of ${type.code}`);
  }

  /** State of numpy.ndarray: version, shape, dtype, whether Fortran's order, content. */
  #arrayContent(state: PickleValue): PickleValue {
    const [, size, type, fortran, content] = state instanceof PickleList ? state.items : [];
    const bytes = typeof content === "string" ? this.#encode([content]) : content;
    return this.#array(bytes, type, size, fortran === true);
  }

  /** `_frombuffer(content, dtype, shape, order)`, which is how protocol 5 writes arrays. */
  #fromBuffer([content, type, size, order]: readonly PickleValue[]): PickleValue {
    return this.#array(content, type, size, order === "F");
  }

  #array(
    content: PickleValue | undefined,
    type: PickleValue | undefined,
    size: PickleValue | undefined,
    fortran: boolean,
  ): PickleValue {
    const dtype = type instanceof PickleDtype ? NUMPY_CODES.get(type.code) : undefined;
    if (dtype === undefined || !(type instanceof PickleDtype) || !(content instanceof Uint8Array)) {
      return this.opaque("numpy.ndarray");
    }
    const shape = this.#sizes(size) ?? this.fail("an array of numpy without a shape");
    const elements = elementCount(shape);
    if (elements * elementBytes(dtype) !== content.length) {
      return this.fail(`an array of numpy of shape [${shape}] with ${content.length} bytes`);
    }
    if (!type.littleEndian) this.#spend(content.length);
    const storage = `numpy/${this.inline.size}`;
    this.inline.set(storage, type.littleEndian ? content : swapBytes(content, dtype));
    const strides = fortran ? contiguousStrides([...shape].reverse()).reverse() : contiguousStrides(shape);
    return new PickleTensor({
      kind: "tensor",
      dtype,
      shape,
      strides,
      offset: 0,
      storage,
      storageElements: elements,
    });
  }
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function deviceName([type, index]: readonly PickleValue[]): string | null {
  if (typeof type !== "string") return null;
  return typeof index === "number" ? `${type}:${index}` : type;
}
