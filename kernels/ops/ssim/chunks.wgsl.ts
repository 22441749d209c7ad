// Work split of the SSIM kernels: every row of a tensor [rows, length] is cut into chunks, one workgroup each, so that
// the row number costs one division a thread and sums have a fixed order.
// Work     1 workgroup = 2048 values of one row; lanes read 64 neighbours at a time
// Sums     lanes -> workgroup tree -> one vec4 a chunk -> one workgroup a row adds its chunks
// Serves   min_max_rescale.ts, similarity_mean.ts
import { type DeviceFacts, type KernelSpec, tensor, type TensorSpec } from "../../spec.ts";
import { kernel, type KernelDraft, scratch, WORKGROUP } from "../../wgsl/module.ts";
import { treeSum } from "../../wgsl/reduce.ts";

const CHUNK = 2048;

/** A tensor seen as rows of equal length. */
export interface Rows {
  readonly rows: number;
  readonly length: number;
}

/** Workgroups of one row. */
export function chunksOf({ length }: Rows): number {
  return Math.max(1, Math.ceil(length / CHUNK));
}

/** Scratch for one vec4 a chunk. */
export function chunkPartials(rows: Rows): TensorSpec {
  return tensor([rows.rows, chunksOf(rows), 4]);
}

/** Uniforms that {@link overChunk} reads, and the number of workgroups. */
export function chunkGrid(rows: Rows): { params: Record<string, number>; groups: number } {
  const chunks = chunksOf(rows);
  return { params: { length: rows.length, chunks }, groups: rows.rows * chunks };
}

/** WGSL that runs `statement` for every value of a chunk; it sees `row`, `i` (place in the row) and `at = row * length + i`. */
export function overChunk(statement: string, before = ""): string {
  return `
let row = group / p.chunks;
let start = row * p.length;
let first = (group - row * p.chunks) * ${CHUNK}u + lid;
${before}
for (var step = 0u; step < ${CHUNK / WORKGROUP}u; step++) {
  let i = first + step * ${WORKGROUP}u;
  if (i < p.length) {
    let at = start + i;
    ${statement}
  }
}`;
}

/** Sums `value` (vec4f) over each chunk of every row into `partials`. */
export function chunkSumKernel(draft: {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly rows: Rows;
  readonly bindings: KernelDraft["bindings"];
  readonly params?: KernelDraft["params"];
  /** WGSL before the loop; may use `row`. */
  readonly before?: string;
  /** WGSL that adds the value at `at` to `sum`. */
  readonly add: string;
  readonly partials: number;
}): KernelSpec {
  const { params, groups } = chunkGrid(draft.rows);
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [...draft.bindings, scratch(draft.partials, "partials", "read_write", "vec4f")],
    params: { ...params, ...draft.params },
    groups,
    declarations: treeSum("tree", WORKGROUP, draft.device),
    body: `
var sum = vec4f(0.0);
${overChunk(draft.add, draft.before)}
let whole = treeSum(lid, sum);
if (lid == 0u) { partials[group] = whole; }`,
  });
}

/** Adds the chunks of every row; `store` is WGSL that sees `whole` (vec4f) and `group` (the row). */
export function rowSumKernel(draft: {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly rows: Rows;
  readonly partials: number;
  readonly target: KernelDraft["bindings"][number];
  readonly store: string;
}): KernelSpec {
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [scratch(draft.partials, "partials", "read", "vec4f"), draft.target],
    params: { length: draft.rows.length, chunks: chunksOf(draft.rows) },
    groups: draft.rows.rows,
    declarations: treeSum("tree", WORKGROUP, draft.device),
    body: `
var sum = vec4f(0.0);
for (var i = lid; i < p.chunks; i += ${WORKGROUP}u) { sum += partials[group * p.chunks + i]; }
let whole = treeSum(lid, sum);
if (lid == 0u) { ${draft.store} }`,
  });
}
