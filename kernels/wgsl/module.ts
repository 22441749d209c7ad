/** Builds the text and uniform block of a kernel. */
import { LimitError } from "../errors.ts";
import type { Access, DeviceFacts, DType, KernelSpec, PortRef, TensorSpec } from "../spec.ts";

/** A number for the uniform block: plain numbers are u32. */
export type Param = number | { readonly f32: number } | { readonly i32: number };

/** A storage binding: its name in WGSL, the tensor it refers to, and the WGSL element type, by default `f32`. */
export interface Binding {
  readonly name: string;
  readonly port: PortRef;
  readonly access?: Access;
  readonly type?: string;
}

/** What {@link kernel} needs to know. */
export interface KernelDraft {
  readonly label: string;
  /** Storage bindings in order. Bodies read elements with {@link load} and write them with {@link store}. */
  readonly bindings: readonly Binding[];
  /** Members of the uniform block, read as `p.<name>`. `p.groups` is added. */
  readonly params: Readonly<Record<string, Param>>;
  /** Number of workgroups; folded over three dimensions. */
  readonly groups: number;
  readonly workgroupSize?: number;
  /** Functions and workgroup variables. Those that use subgroup operations see `lane`, the number within the subgroup. */
  readonly declarations?: string;
  /** Statements of `main`; sees `group` (linear workgroup number), `lid` (local index) and `tid = group * size + lid`. */
  readonly body: string;
  readonly device: DeviceFacts;
}

/** Largest uniform block that every WebGPU device takes, in bytes. */
const MAX_UNIFORM_BYTES = 65536;

/** Threads of a workgroup unless a kernel says otherwise. */
export const WORKGROUP = 64;

/**
 * A complete kernel. Workgroups beyond `groups` (from folding) return at once.
 *
 * Parameters are read at an offset that is itself data (`words[0].x`, always 1). Mesa's lavapipe compiles a shader anew, at
 * every submission and without freeing the old one, when uniforms at known offsets steer its branches; here none are.
 * `main` sees them as a local value, functions as a private variable: compilers that check uniform control flow (Dawn, and
 * so Chrome) take a private variable to differ between threads and would refuse a barrier behind a branch on it.
 *
 * @returns spec with source, uniform block and folded grid
 * @throws {LimitError} when a binding holds 16-bit floats and the device has none, or the parameters exceed a uniform block
 */
export function kernel(draft: KernelDraft): KernelSpec {
  const halves = draft.bindings.filter(isHalf);
  if (halves.length > 0 && !draft.device.f16) {
    throw new LimitError(
      `Cannot lower ${draft.label}: needs 16-bit floats, adapter ${draft.device.adapter} has no shader-f16: use precision f32`,
      { value: draft.label, need: 16, max: 32 },
    );
  }
  const size = draft.workgroupSize ?? WORKGROUP;
  const workgroups = foldGrid(draft.groups, draft.device.maxGroupsPerDimension);
  const params: Record<string, Param> = {
    ...draft.params,
    groups: draft.groups,
    groupsX: workgroups[0],
    groupsXY: workgroups[0] * workgroups[1],
  };
  const block = paramBytes(Object.values(params));
  if (block.length > MAX_UNIFORM_BYTES) {
    throw new LimitError(
      `Cannot lower ${draft.label}: needs ${block.length} bytes in a uniform block, WebGPU allows ${MAX_UNIFORM_BYTES}: pass tables as tensors`,
      { value: draft.label, need: block.length, max: MAX_UNIFORM_BYTES },
    );
  }
  const names = Object.keys(params);
  const bindings = draft.bindings.map(({ name, access, type }, i) =>
    `@group(0) @binding(${i}) var<storage, ${access ?? "read"}> ${name}: array<${type ?? "f32"}>;`
  );
  const fields = names.map((name) => `${name}: ${paramType(params[name])}`).join(", ");
  const words = Object.values(params).map((param, i) => {
    const word = `words[wordsAt + ${i >> 2}u].${"xyzw"[i & 3]}`;
    return typeof param === "number" ? word : `bitcast<${paramType(param)}>(${word})`;
  });
  const subgroups = draft.declarations?.includes("subgroup") ?? false;
  const source = [
    ...(halves.length > 0 ? ["enable f16;"] : []),
    ...(subgroups ? ["enable subgroups;", "var<private> lane: u32;"] : []),
    ...bindings,
    `struct Params { ${fields} }`,
    `@group(0) @binding(${bindings.length}) var<uniform> words: array<vec4u, ${
      1 + Math.ceil(names.length / 4)
    }>;`,
    `var<private> p: Params;`,
    ...new Set(halves.filter((b) => b.access === "read_write").map((b) => toHalf(b.type!))),
    ...(draft.declarations ? [draft.declarations.trim()] : []),
    `@compute @workgroup_size(${size})`,
    `fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lid: u32${
      subgroups ? ", @builtin(subgroup_invocation_id) subgroupLane: u32" : ""
    }) {`,
    ...(subgroups ? ["lane = subgroupLane;"] : []),
    `let wordsAt = words[0].x;`,
    `let paramValues = Params(${words.join(", ")});`,
    `p = paramValues;`,
    `let p = paramValues;`,
    `let group = wid.x + wid.y * p.groupsX + wid.z * p.groupsXY;`,
    `if (group >= p.groups) { return; }`,
    `let tid = group * ${size}u + lid;`,
    draft.body.trim(),
    `}`,
  ].join("\n");
  return {
    label: draft.label,
    source,
    params: block,
    bindings: draft.bindings.map((b) => ({ port: b.port, access: b.access ?? "read", half: isHalf(b) })),
    workgroups,
  };
}

/**
 * Spreads a number of workgroups over three dimensions.
 *
 * @param limit most workgroups in one dimension
 */
export function foldGrid(groups: number, limit: number): readonly [number, number, number] {
  if (groups <= limit) return [Math.max(1, groups), 1, 1];
  const rows = Math.ceil(groups / limit);
  if (rows <= limit) return [Math.ceil(groups / rows), rows, 1];
  const layers = Math.ceil(groups / (limit * limit));
  return [limit, limit, layers];
}

/** WGSL type of an element, or of `width` neighbouring elements, as stored. */
export function storageType(dtype: DType, width: 1 | 2 | 4 = 1): string {
  if (width === 1) return dtype;
  return dtype === "f16" ? `vec${width}<f16>` : `vec${width}${dtype[0]}`;
}

/** An input binding of a kernel draft; `of` is the tensor, or the WGSL element type (f32 by default). */
export function input(index: number, name: string, of?: TensorSpec | string): Binding {
  return { name, port: { kind: "input", index }, type: elementType(of) };
}

/** An output binding of a kernel draft; `of` as in {@link input}. */
export function output(index: number, name: string, of?: TensorSpec | string): Binding {
  return { name, port: { kind: "output", index }, access: "read_write", type: elementType(of) };
}

/** A scratch binding of a kernel draft; `of` as in {@link input}. */
export function scratch(index: number, name: string, access: Access, of?: TensorSpec | string): Binding {
  return { name, port: { kind: "scratch", index }, access, type: elementType(of) };
}

/**
 * WGSL of an element of a binding as a number to compute with: f32 (or a vector of f32) whatever the tensor is stored as.
 *
 * ```ts
 * import { input, load } from "./module.ts";
 * console.assert(load(input(0, "x"), "i") === "x[i]");
 * console.assert(load(input(0, "x", "f16"), "i") === "f32(x[i])");
 * ```
 */
export function load(binding: Binding, index: string): string {
  const element = `${binding.name}[${index}]`;
  return isHalf(binding) ? `${wide(binding.type!)}(${element})` : element;
}

/**
 * WGSL statement that stores an f32 (or a vector of f32) as the binding's element type.
 *
 * 16-bit floats: rounded to 11 significant bits; beyond 65504 infinite, on every device, so that overflow can be found later.
 */
export function store(binding: Binding, index: string, value: string): string {
  return `${binding.name}[${index}] = ${isHalf(binding) ? `${halfName(binding.type!)}(${value})` : value};`;
}

function elementType(of: TensorSpec | string | undefined): string | undefined {
  return typeof of === "object" ? storageType(of.dtype) : of;
}

function isHalf(binding: Binding): boolean {
  return binding.type?.includes("f16") ?? false;
}

/** The f32 counterpart of a 16-bit type. */
function wide(type: string): string {
  return type === "f16" ? "f32" : `${type.slice(0, 4)}f`;
}

function halfName(type: string): string {
  return type === "f16" ? "toHalf" : `toHalf${type[3]}`;
}

/** Conversion to 16 bits. Devices that round toward zero would turn an overflow into 65504; here it is infinite for certain. */
function toHalf(type: string): string {
  const from = wide(type);
  return `fn ${
    halfName(type)
  }(v: ${from}) -> ${type} { return ${type}(select(v, v * 1e38, abs(v) > ${from}(65504.0))); }`;
}

function paramType(param: Param): string {
  return typeof param === "number" ? "u32" : "f32" in param ? "f32" : "i32";
}

function paramBytes(params: readonly Param[]): Uint8Array<ArrayBuffer> {
  const bytes = new ArrayBuffer((1 + Math.ceil(params.length / 4)) * 16);
  const view = new DataView(bytes);
  view.setUint32(0, 1, true);
  params.forEach((param, i) => {
    const at = 16 + i * 4;
    if (typeof param === "number") view.setUint32(at, param, true);
    else if ("f32" in param) view.setFloat32(at, param.f32, true);
    else view.setInt32(at, param.i32, true);
  });
  return new Uint8Array(bytes);
}
