/** Operators and constants of a model while it is put together. */
import type { Value } from "../../kernels/graph/graph.ts";
import type { OnnxAttribute, OnnxNode, OnnxTensor } from "./messages.ts";

/** Collects operators and constants. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  readonly #names = new Map<Value, string>();
  readonly #made = new Set<string>();

  /** Gives a value the name of an input or output of the model. */
  name(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  /** Name of a value in the model. */
  of(value: Value): string {
    return this.#names.get(value) ?? value.name;
  }

  /** Adds an operator and returns the name of its output. */
  add(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    this.nodes.push({ name: output, operator, inputs, outputs: [output], attributes });
    return output;
  }

  /** What several operators share, made for the first of them. */
  once(output: string, make: (output: string) => string): string {
    if (this.#made.has(output)) return output;
    this.#made.add(output);
    return make(output);
  }

  /** A constant, stored once for all that ask for the same name. */
  constant(name: string, shape: readonly number[], values: readonly number[], int64 = false): string {
    if (!this.#made.has(name)) {
      this.#made.add(name);
      const read = () => Promise.resolve(Float32Array.from(values));
      this.constants.push({ name, shape, values: int64 ? { int64: values } : { read } });
    }
    return name;
  }

  /** The number as a constant of no axes. */
  scalar(value: number): string {
    return this.constant(`constant ${value}`, [], [value]);
  }

  /** What is added last, under the name of the value itself. */
  finish(last: string, value: Value): void {
    const node = this.nodes.at(-1)!;
    if (node.outputs[0] !== last) {
      throw new Error(`Cannot rename ${last}: the last operator makes ${node.outputs[0]}`);
    }
    this.nodes[this.nodes.length - 1] = { ...node, name: this.of(value), outputs: [this.of(value)] };
  }
}
