/** Which elements of a tensor in the block layout count. */
import { forEachKept } from "../../kernels/ops/blocks/reference.ts";
import type { TensorSpec } from "../../kernels/spec.ts";
import type { Contents } from "./ops.ts";

/** The elements of a tensor that count: all of a dense one, those of the kept blocks in the block layout. */
export function activeElements(
  spec: TensorSpec,
  data: ArrayLike<number>,
  table: Contents | undefined,
): ArrayLike<number> {
  if (spec.layout.kind === "dense") return data;
  const active: number[] = [];
  forEachKept(spec, Float64Array.from(table!), (stored) => active.push(data[stored]));
  return active;
}

/** Contents with NaN in unused blocks. */
export function fillUnused(spec: TensorSpec, data: Contents, table: Contents | undefined): Contents {
  if (spec.layout.kind === "dense") return data;
  const filled = new Float32Array(data.length).fill(NaN);
  forEachKept(spec, Float64Array.from(table!), (stored) => filled[stored] = data[stored]);
  return filled;
}
