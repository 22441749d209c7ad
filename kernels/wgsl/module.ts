/** Builds the text and uniform block of a kernel. */
import type { Access, DeviceFacts, DType, KernelSpec, PortRef } from "../spec.ts";

/** A number for the uniform block: plain numbers are u32. */
export type Param = number | { readonly f32: number } | { readonly i32: number };

/** What {@link kernel} needs to know. */
export interface KernelDraft {
  readonly label: string;
  /** Storage bindings in order; `type` is the WGSL element type, by default `f32`. */
  readonly bindings: readonly {
    readonly name: string;
    readonly port: PortRef;
    readonly access?: Access;
    readonly type?: string;
  }[];
  /** Members of the uniform block, read as `p.<name>`. `p.groups` is added. */
  readonly params: Readonly<Record<string, Param>>;
  /** Number of workgroups; folded over three dimensions. */
  readonly groups: number;
  readonly workgroupSize?: number;
  /** Functions and workgroup variables. */
  readonly declarations?: string;
  /** Statements of `main`; sees `group` (linear workgroup number), `lid` (local index) and `tid = group * size + lid`. */
  readonly body: string;
  readonly device: DeviceFacts;
}

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
 */
export function kernel(draft: KernelDraft): KernelSpec {
  const size = draft.workgroupSize ?? WORKGROUP;
  const workgroups = foldGrid(draft.groups, draft.device.maxGroupsPerDimension);
  const params: Record<string, Param> = {
    ...draft.params,
    groups: draft.groups,
    groupsX: workgroups[0],
    groupsXY: workgroups[0] * workgroups[1],
  };
  const names = Object.keys(params);
  const bindings = draft.bindings.map(({ name, access, type }, i) =>
    `@group(0) @binding(${i}) var<storage, ${access ?? "read"}> ${name}: array<${type ?? "f32"}>;`
  );
  const fields = names.map((name) => `${name}: ${paramType(params[name])}`).join(", ");
  const words = Object.values(params).map((param, i) => {
    const word = `words[wordsAt + ${i >> 2}u].${"xyzw"[i & 3]}`;
    return typeof param === "number" ? word : `bitcast<${paramType(param)}>(${word})`;
  });
  const source = [
    ...(draft.bindings.some((b) => b.type?.includes("f16")) ? ["enable f16;"] : []),
    ...bindings,
    `struct Params { ${fields} }`,
    `@group(0) @binding(${bindings.length}) var<uniform> words: array<vec4u, ${
      1 + Math.ceil(names.length / 4)
    }>;`,
    `var<private> p: Params;`,
    ...(draft.declarations ? [draft.declarations.trim()] : []),
    `@compute @workgroup_size(${size})`,
    `fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lid: u32) {`,
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
    params: paramBytes(Object.values(params)),
    bindings: draft.bindings.map(({ port, access }) => ({ port, access: access ?? "read" })),
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

/** WGSL type of an element as stored. */
export function storageType(dtype: DType): string {
  return dtype;
}

/** An input binding of a kernel draft. */
export function input(index: number, name: string, type?: string): KernelDraft["bindings"][number] {
  return { name, port: { kind: "input", index }, type };
}

/** An output binding of a kernel draft. */
export function output(index: number, name: string, type?: string): KernelDraft["bindings"][number] {
  return { name, port: { kind: "output", index }, access: "read_write", type };
}

/** A scratch binding of a kernel draft. */
export function scratch(
  index: number,
  name: string,
  access: Access,
  type?: string,
): KernelDraft["bindings"][number] {
  return { name, port: { kind: "scratch", index }, access, type };
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
