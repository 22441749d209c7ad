/** How kernels of accumulating operations store their results: written, or added onto what is there. */
import type { LowerRequest } from "../spec.ts";
import { type KernelDraft, load, type Param, store } from "../wgsl/module.ts";

/** Parameters of a store and the statement that does it. */
export interface Store {
  /** To be spread into the kernel's parameters. */
  readonly params: Readonly<Record<string, Param>>;
  /** WGSL that stores `value`, the name of an f32 (or a vector of f32), at `index` of the output's binding. */
  into(binding: KernelDraft["bindings"][number], index: string, value: string): string;
}

/**
 * The store of an output of an operation that `accumulates`. Whether it writes or adds is a parameter, so both are one text.
 * @param output number of the output
 */
export function storeOf({ accumulate }: Pick<LowerRequest<never>, "accumulate">, output: number): Store {
  const scale = accumulate.find((a) => a.output === output)?.scale ?? 0;
  const name = `onto${output}`; // 0: write
  return {
    params: { [name]: { f32: scale } },
    into: (binding, index, value) =>
      `if (p.${name} == 0.0) { ${store(binding, index, value)} } else { ${
        store(binding, index, `${load(binding, index)} + p.${name} * ${value}`)
      } }`,
  };
}

/** The store of results that are always written. */
export const WRITE: Store = { params: {}, into: store };
