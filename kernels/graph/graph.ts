/** A static graph of operations on tensors: values, nodes, parameters and states. */
import { PlanError } from "../errors.ts";
import { elementCount, type OpDef, tensor, type TensorSpec } from "../spec.ts";

/** How a parameter starts. `bound` in `uniform` is the half width; `std` and `limit` as named. */
export type Init =
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "truncatedNormal"; readonly std: number; readonly limit: number };

/** Where a value comes from. Everything but `node` persists between phases. */
export type ValueRole = "node" | "input" | "parameter" | "gradient" | "state";

/** A tensor in the graph. */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly spec: TensorSpec;
  readonly role: ValueRole;
  readonly producer: Node | null;
  readonly init: Init | null;
}

/** One application of an operation. */
export interface Node {
  readonly id: number;
  // deno-lint-ignore no-explicit-any -- attributes differ by operation; OpDef<any> is the only common supertype
  readonly op: OpDef<any>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: unknown;
  readonly scope: string;
}

/** Persistent values stored one after another (256-byte aligned) and visible as one flat value too. */
export interface Segment {
  readonly value: Value;
  readonly members: readonly { readonly value: Value; readonly offset: number }[];
}

/** Elements between starts of packed members: 256 bytes of f32, the largest offset alignment WebGPU allows. */
const PACK_ELEMENTS = 64;

/** Builds a graph; nodes keep their order of creation, which is the order of execution. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly values: Value[] = [];
  readonly segments: Segment[] = [];
  readonly outputs = new Map<string, Value>();
  #names = new Map<string, Value>();
  #scope = "";

  #value(name: string, spec: TensorSpec, role: ValueRole, producer: Node | null, init: Init | null): Value {
    const value = { id: this.values.length, name, spec, role, producer, init };
    this.values.push(value);
    return value;
  }

  #named(name: string, spec: TensorSpec, role: ValueRole, init: Init | null): Value {
    if (this.#names.has(name)) {
      throw new PlanError(
        `Cannot declare ${name} twice: a graph's input, parameter and state names are unique`,
      );
    }
    if (this.outputs.has(name)) {
      throw new PlanError(`Cannot declare ${role} ${name}: the graph has an output of that name`);
    }
    const value = this.#value(name, spec, role, null, init);
    this.#names.set(name, value);
    return value;
  }

  /** A tensor that the host writes before a phase runs. */
  input(name: string, spec: TensorSpec): Value {
    return this.#named(name, spec, "input", null);
  }

  /** A trainable tensor. */
  parameter(name: string, spec: TensorSpec, init: Init): Value {
    return this.#named(name, spec, "parameter", init);
  }

  /** A tensor that keeps its contents from step to step, zero at the start. */
  state(name: string, spec: TensorSpec): Value {
    return this.#named(name, spec, "state", { kind: "zeros" });
  }

  /** A state that the executor clears on demand: where micro-batches accumulate. */
  accumulator(name: string, spec: TensorSpec): Value {
    return this.#named(name, spec, "gradient", { kind: "zeros" });
  }

  /**
   * Stores persistent f32 values of one role back to back, so that one dispatch can treat them as a flat tensor.
   * @throws {PlanError} when the members have no common role, or are packed already
   */
  pack(name: string, members: readonly Value[]): Value {
    if (members.length === 0) throw new PlanError(`Cannot pack ${name}: no members`);
    const role = members[0].role;
    let offset = 0;
    const placed: { value: Value; offset: number }[] = [];
    for (const value of members) {
      if (value.role !== role || value.role === "node" || value.spec.dtype !== "f32") {
        throw new PlanError(`Cannot pack ${value.name} into ${name}: wanted a persistent f32 ${role}`);
      }
      if (this.segments.some((s) => s.members.some((m) => m.value === value))) {
        throw new PlanError(`Cannot pack ${value.name} into ${name}: it is packed already`);
      }
      placed.push({ value, offset: offset * 4 });
      offset += Math.ceil(elementCount(value.spec.shape) / PACK_ELEMENTS) * PACK_ELEMENTS;
    }
    const value = this.#named(name, tensor([offset]), role, { kind: "zeros" });
    this.segments.push({ value, members: placed });
    return value;
  }

  /** Applies an operation. @throws {ShapeError} from its shape rule */
  apply<A>(op: OpDef<A>, inputs: readonly Value[], attrs: A): readonly Value[] {
    const specs = op.infer(inputs.map((v) => v.spec), attrs);
    const outputs: Value[] = [];
    const node: Node = { id: this.nodes.length, op, inputs, outputs, attrs, scope: this.#scope };
    specs.forEach((spec, i) => {
      const suffix = specs.length > 1 ? `.${i}` : "";
      outputs.push(
        this.#value(
          `${this.#scope ? this.#scope + "/" : ""}${op.name}#${node.id}${suffix}`,
          spec,
          "node",
          node,
          null,
        ),
      );
    });
    this.nodes.push(node);
    return outputs;
  }

  /** Runs `build` with node names prefixed by `scope`, for print-outs and profiles. */
  within<T>(scope: string, build: () => T): T {
    const before = this.#scope;
    this.#scope = before ? `${before}.${scope}` : scope;
    try {
      return build();
    } finally {
      this.#scope = before;
    }
  }

  /**
   * Names a value so that its contents can be read after a phase; it keeps a buffer of its own.
   * @throws {PlanError} when another output or declared tensor has the name
   */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new PlanError(`Cannot name two outputs ${name}`);
    const declared = this.#names.get(name);
    if (declared && declared !== value) {
      throw new PlanError(
        `Cannot name an output ${name}: the graph has a tensor (${declared.role}) of that name`,
      );
    }
    this.outputs.set(name, value);
  }

  /** Declared input, parameter or state by name. @throws {PlanError} when there is none */
  find(name: string): Value {
    const value = this.#names.get(name);
    if (!value) {
      throw new PlanError(`Cannot find ${name}: the graph declares no such input, parameter or state`);
    }
    return value;
  }

  /** All parameters in order of declaration. */
  get parameters(): readonly Value[] {
    return this.values.filter((v) => v.role === "parameter" && !this.segments.some((s) => s.value === v));
  }
}

/** A position in the tree of layer names; parameters declared through it get the PyTorch key. */
export class Scope {
  constructor(readonly graph: Graph, readonly path = "") {}

  /** The scope one level down: `scope.at("conv1.conv")`. */
  at(name: string): Scope {
    return new Scope(this.graph, this.path ? `${this.path}.${name}` : name);
  }

  /** Declares `<path>.<name>`. */
  parameter(name: string, shape: readonly number[], init: Init): Value {
    return this.graph.parameter(this.path ? `${this.path}.${name}` : name, tensor(shape), init);
  }

  /** Applies an operation under this scope's name and returns its first output. */
  apply<A>(op: OpDef<A>, inputs: readonly Value[], attrs: A): Value {
    return this.graph.within(this.path, () => this.graph.apply(op, inputs, attrs))[0];
  }
}
