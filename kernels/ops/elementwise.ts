/** Shared lowering of operations that treat every element alike. */
import { elementCount, type Lowering, type LowerRequest, type TensorSpec } from "../spec.ts";
import { input, kernel, load, output, type Param, storageType, WORKGROUP } from "../wgsl/module.ts";
import { storeOf } from "./accumulation.ts";

/** Elements that one thread handles, `WORKGROUP` apart. */
const PER_THREAD = 4;

/**
 * Lowers `outputs[0][i] = expression` over flat tensors of equal length, each f32 or f16; the arithmetic is f32. Operations
 * lowered so may declare that they accumulate. Four numbers are one element where the length allows.
 *
 * @param names WGSL names of the inputs; inside `expression` they are the element at `i`
 * @param expression WGSL of the result for `V = f32` and `V = vec4f` alike, or of one number for all; may use `p.<param>`
 */
export function lowerElementwise<A>(
  request: LowerRequest<A>,
  label: string,
  names: readonly string[],
  expression: string,
  params: Readonly<Record<string, Param>> = {},
): Lowering {
  const spec = request.outputs[0];
  const lanes = flatLanes(spec);
  const n = elementCount(spec.shape) / lanes;
  const overwritten = request.inPlace.find(([, o]) => o === 0)?.[0];
  const typeOf = (of: TensorSpec) => storageType(of.dtype, lanes);
  const out = output(0, "out", typeOf(spec));
  const sources = names.map((name, i) =>
    i === overwritten ? out : input(i, `${name}_`, typeOf(request.inputs[i]))
  );
  const result = storeOf(request, 0);
  const loads = names.map((name, i) => `let ${name} = ${load(sources[i], "i")};`).join(" ");
  return {
    variant: overwritten === undefined ? "flat" : "flat in place",
    scratch: [],
    kernels: [kernel({
      label: `${label} ${shapeText(spec)}${overwritten === undefined ? "" : " in place"}`,
      bindings: [...sources.filter((source) => source !== out), out],
      params: { n, ...result.params, ...params },
      groups: Math.ceil(n / (WORKGROUP * PER_THREAD)),
      device: request.device,
      declarations: laneType(lanes),
      body: `
let base = group * ${WORKGROUP * PER_THREAD}u + lid;
for (var k = 0u; k < ${PER_THREAD}u; k++) {
  let i = base + k * ${WORKGROUP}u;
  if (i < p.n) { ${loads} let result = V(${expression}); ${result.into(out, "i", "result")} }
}`,
    })],
  };
}

/** Numbers that make up one element of a kernel over a flat tensor: four where the length allows. */
export function flatLanes(spec: TensorSpec): 1 | 4 {
  return elementCount(spec.shape) % 4 === 0 ? 4 : 1;
}

/** WGSL that declares `V`, the f32 type of an element. */
export function laneType(lanes: 1 | 4): string {
  return `alias V = ${lanes === 4 ? "vec4f" : "f32"};`;
}

/** A shape as `1x32x80x80x80`. */
export function shapeText(spec: TensorSpec): string {
  return spec.shape.join("x");
}

/** Rows (runs along the last axis) of `[N, C, D, H, W]` handled by one thread each. */
export function rowGroups(rows: number): number {
  return Math.ceil(rows / WORKGROUP);
}
