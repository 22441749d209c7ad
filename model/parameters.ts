/** Parameters of a built network: names, shapes, counts and starting values. */
import type { Graph, Init, Value } from "../kernels/graph/graph.ts";
import { elementCount } from "../kernels/spec.ts";

/** A stream of random numbers. */
export interface RandomStream {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
}

/** Number of parameters of a graph. */
export function parameterCount(graph: Graph): number {
  return graph.parameters.reduce((sum, p) => sum + elementCount(p.spec.shape), 0);
}

/**
 * Starting values of one tensor, C order.
 * @param random stream of its own for this tensor, so that values do not depend on the order of tensors
 */
export function initialValues(
  init: Init,
  shape: readonly number[],
  random: RandomStream,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elementCount(shape));
  switch (init.kind) {
    case "zeros":
      return values;
    case "ones":
      return values.fill(1);
    case "uniform":
      return values.map(() => (2 * random.uniform() - 1) * init.bound) as Float32Array<ArrayBuffer>;
    case "normal":
      return values.map(() => random.normal() * init.std) as Float32Array<ArrayBuffer>;
    case "truncatedNormal":
      return values.map(() => truncatedNormal(random, init.std, init.limit)) as Float32Array<ArrayBuffer>;
  }
}

function truncatedNormal(random: RandomStream, std: number, limit: number): number {
  while (true) {
    const value = random.normal() * std;
    if (Math.abs(value) <= limit) return value;
  }
}

/** Key of the encoder's second registration of the same tensor in PyTorch checkpoints, null where there is none. */
export function torchAlias(name: string): string | null {
  const alias = name.replace(/\.conv\.(weight|bias)$/, ".all_modules.0.$1").replace(
    /\.norm\.(weight|bias)$/,
    ".all_modules.1.$1",
  );
  return alias === name ? null : alias;
}

/** All PyTorch keys of a parameter of a U-Net: its name, its alias, and both below `decoder.encoder.` for the encoder. */
export function torchKeys(parameter: Pick<Value, "name">): readonly string[] {
  const alias = torchAlias(parameter.name);
  const names = alias ? [parameter.name, alias] : [parameter.name];
  return parameter.name.startsWith("encoder.") ? [...names, ...names.map((n) => `decoder.${n}`)] : names;
}
