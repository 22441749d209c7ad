/** The vocabulary of the kernel layer: tensor specs, costs, kernels, operations and plans. Types and arithmetic only. */
import type { Value } from "./graph/graph.ts";

/** Element type of a tensor on the device. */
export type DType = "f32" | "f16" | "u32" | "i32";

/** Extent along depth, height and width. */
export type Dims3 = readonly [d: number, h: number, w: number];

/**
 * How a tensor lies in memory, always in C order of its `shape` (last axis fastest).
 *
 * - `dense`: what the shape says, exactly PyTorch's contiguous order; activations are `[N, C, D, H, W]`.
 * - `blocks`: only the kept blocks of a volume, `[N, C, K, e0, e1, e2]`: K is the capacity for kept blocks of a sample, e the
 *   edge of a block per axis, and the volume that they are cut from has `grid * e` voxels. A block table (see
 *   ops/blocks/table.ts) says which cell of the grid each kept block is; blocks beyond a sample's count hold nothing.
 */
export type Layout =
  | { readonly kind: "dense" }
  | { readonly kind: "blocks"; readonly grid: Dims3 };

/** Shape, element type and layout of a tensor. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly layout: Layout;
}

/** The dense layout, shared so that specs compare cheaply. */
export const DENSE: Layout = { kind: "dense" };

/**
 * A dense tensor spec.
 * @param shape extents, e.g. `[1, 32, 160, 160, 160]`
 */
export function tensor(shape: readonly number[], dtype: DType = "f32"): TensorSpec {
  return { shape, dtype, layout: DENSE };
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return dtype === "f16" ? 2 : 4;
}

/** Bytes of a tensor, rounded up to a multiple of 4 as WebGPU copies demand. */
export function byteLength(spec: TensorSpec): number {
  return Math.ceil(elementCount(spec.shape) * elementBytes(spec.dtype) / 4) * 4;
}

/** Arithmetic and ideal memory traffic of one application of an operation. */
export interface Cost {
  readonly flop: number;
  /** How much of `flop` adds the result onto what an output holds: the planner's addition, none of the operation's own. */
  readonly added?: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Which tensor of a node a binding refers to. */
export interface PortRef {
  readonly kind: "input" | "output" | "scratch";
  readonly index: number;
}

/** How a kernel touches a binding. */
export type Access = "read" | "read_write";

/** A tensor that a kernel touches. */
export interface KernelBinding {
  readonly port: PortRef;
  readonly access: Access;
  /** Whether the kernel reads and writes its elements as f16. */
  readonly half: boolean;
}

/**
 * One dispatch. The WGSL text is also the key of the pipeline cache; shapes that do not change the code travel in
 * `params`, so that one pipeline serves many layers.
 */
export interface KernelSpec {
  readonly label: string;
  readonly source: string;
  /** Bytes of the uniform block bound after the storage bindings. */
  readonly params: Uint8Array<ArrayBuffer>;
  readonly bindings: readonly KernelBinding[];
  readonly workgroups: readonly [number, number, number];
}

/** What one thread of a gathered convolution computes. */
export interface Tile {
  /** Output voxels per axis. */
  readonly size: Dims3;
  /** Groups of four output channels. */
  readonly quads: number;
  /** Kept blocks of an output in the block layout; more than 1 only where the tile covers whole blocks. */
  readonly blocks: number;
}

/** A tile that was the fastest of those tried; times in milliseconds, with the packing of the weights. */
export interface TunedTile extends Tile {
  readonly ms: number;
  /** Time of the tile that the rule chooses. */
  readonly ruleMs: number;
}

/** Tiles measured on one adapter, by the key of what they compute (ops/conv3d/tuning.ts). Plain data, kept as JSON. */
export interface TuningTable {
  readonly adapter: string;
  readonly runtime: string;
  readonly commit?: string;
  readonly entries: Readonly<Record<string, TunedTile>>;
}

/** A choice that lowering made and that a {@link TuningTable} can make in its place. */
export interface TileChoice {
  readonly key: string;
  readonly tile: Tile;
  /** Tiles that fit, the rule's first. */
  readonly candidates: readonly Tile[];
}

/** The kernels of one node, in order, and the scratch tensors they share. */
export interface Lowering {
  readonly variant: string;
  readonly choice?: TileChoice;
  readonly kernels: readonly KernelSpec[];
  readonly scratch: readonly TensorSpec[];
}

/** Limits and features of a device as plain data, so that planning needs no GPU. Sizes in bytes. */
export interface DeviceFacts {
  readonly adapter: string;
  readonly maxBinding: number;
  readonly maxBuffer: number;
  readonly maxStorageBindings: number;
  readonly maxWorkgroupBytes: number;
  readonly maxInvocations: number;
  readonly maxGroupsPerDimension: number;
  readonly offsetAlignment: number;
  readonly f16: boolean;
  readonly timestamps: boolean;
  /** Whether shaders may use subgroup operations. */
  readonly subgroups: boolean;
  /** Fewest threads that a subgroup can have, a power of two; 0 where the device does not say. */
  readonly subgroupMinSize: number;
  /** Whether it computes on the processor (lavapipe, SwiftShader, WARP), where registers are cheap and threads are not. */
  readonly software: boolean;
  /** Measured tiles that replace the rule's where they fit; set by `compile` from its tuning table. */
  readonly tiles?: TuningTable["entries"];
}

/** What an operation is asked to lower. */
export interface LowerRequest<A> {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly attrs: A;
  /** Pairs (input, output) that share one buffer; the kernel must bind it once as `read_write`, through the output. */
  readonly inPlace: readonly (readonly [input: number, output: number])[];
  /** Outputs to add onto what their buffer holds; only ones that the operation `accumulates`. The others are written. */
  readonly accumulate: readonly Accumulation[];
  /** Make the outputs of `OpDef.recompute` once more: the other outputs hold their values, to be read and not written. */
  readonly recompute: boolean;
  readonly device: DeviceFacts;
}

/** `buffer += scale * output` in place of `buffer = output`. */
export interface Accumulation {
  readonly output: number;
  readonly scale: number;
}

/** What an operation's gradient rule sees. */
export interface GradientScope<A> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Gradient of the loss with respect to each output; null where none flows. */
  readonly gradients: readonly (Value | null)[];
  /** Whether a gradient of this input is wanted. */
  readonly needed: readonly boolean[];
  readonly attrs: A;
  apply<B>(op: OpDef<B>, inputs: readonly Value[], attrs: B): readonly Value[];
}

/** Inputs of the float64 reference of an operation. */
export interface ReferenceIo<A> {
  readonly inputs: readonly Float64Array[];
  readonly inputSpecs: readonly TensorSpec[];
  readonly outputSpecs: readonly TensorSpec[];
  readonly attrs: A;
}

/** One operation: shape rule, gradient, cost, kernels and reference in one place. */
export interface OpDef<A = unknown> {
  readonly name: string;
  /** Output specs. @throws {ShapeError} when the inputs do not fit. */
  infer(inputs: readonly TensorSpec[], attrs: A): readonly TensorSpec[];
  cost(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], attrs: A): Cost;
  lower(request: LowerRequest<A>): Lowering;
  /** Pairs (input, output) that always share a buffer: in-place updates of persistent tensors. */
  readonly updates?: readonly (readonly [input: number, output: number])[];
  /** Pairs (input, output) that may share a buffer when the input dies at this node. */
  readonly mayOverwrite?: readonly (readonly [input: number, output: number])[];
  /** Outputs that cost little to compute again from inputs and other outputs, so that memory may be spared instead. */
  readonly recompute?: readonly number[];
  /** Outputs that `lower` can add, times a scale, onto what their buffer holds. */
  readonly accumulates?: readonly number[];
  /** Outputs whose channels each sum to zero over the voxels of a sample, whatever the inputs. */
  readonly centred?: readonly number[];
  /** Whether output 0 is zero everywhere, so that adding it to a persistent tensor needs no kernel. */
  isZero?(attrs: A): boolean;
  /**
   * For elementwise sums `output 0 = inputs[onto] + scale * inputs[value]`: the ways to read them so. A producer of `value`
   * that accumulates adds onto `onto` itself, and the sum needs no kernel.
   */
  sums?(attrs: A): readonly { readonly onto: number; readonly value: number; readonly scale: number }[];
  /** Gradient of each input as further nodes, null where not needed or zero. */
  gradient?(scope: GradientScope<A>): readonly (Value | null)[];
  /** Plain float64 loops over dense arrays; the meaning of the operation. */
  reference(io: ReferenceIo<A>): readonly Float64Array[];
}

/** A byte range of a buffer of the plan. */
export interface BufferRange {
  readonly buffer: number;
  readonly offset: number;
  readonly size: number;
}

/** What a buffer of a plan holds. */
export type BufferRole = "slot" | "parameter" | "gradient" | "state" | "input" | "output";

/** One recorded dispatch. */
export interface Dispatch {
  readonly label: string;
  readonly node: string;
  readonly op: string;
  readonly source: number;
  readonly params: Uint8Array<ArrayBuffer>;
  readonly bindings: readonly BufferRange[];
  readonly access: readonly Access[];
  /** What each binding holds: value names, or node and index of a scratch tensor. Checked by `verifyPlan`. */
  readonly tenants: readonly string[];
  /** Buffers whose earlier contents (named `input`) this dispatch's node replaces in place or adds onto. */
  readonly overwrites: readonly { readonly buffer: number; readonly input: string }[];
  /** Tenants that this dispatch's node makes once more, each with the name of the first of its kind. */
  readonly remakes: readonly { readonly tenant: string; readonly of: string }[];
  readonly workgroups: readonly [number, number, number];
  /** Cost of the node, attributed to its first dispatch; zero for the others. */
  readonly cost: Cost;
}

/** Everything needed to run a graph on a device: buffers, WGSL sources and dispatch lists. */
export interface Plan {
  readonly buffers: readonly { readonly size: number; readonly role: BufferRole; readonly label: string }[];
  readonly sources: readonly string[];
  readonly phases: Readonly<Record<string, readonly Dispatch[]>>;
  readonly named: Readonly<
    Record<string, BufferRange & { readonly spec: TensorSpec; readonly role: BufferRole }>
  >;
  readonly report: PlanReport;
}

/** Figures of a plan. `peakBytes` is all device memory of the plan; `transient*` concerns slots only. */
export interface PlanReport {
  readonly peakBytes: number;
  readonly persistentBytes: number;
  readonly transientBytes: number;
  readonly transientLowerBoundBytes: number;
  readonly transientSumBytes: number;
  readonly slots: number;
  readonly pipelines: number;
  readonly phases: Readonly<
    Record<string, { readonly dispatches: number; readonly flop: number; readonly bytes: number }>
  >;
}
