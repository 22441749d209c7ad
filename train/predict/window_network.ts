import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { cast } from "../../kernels/ops/cast/op.ts";
import { mirror } from "../../kernels/ops/window/mirror.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { Executor, type ExecutorOptions } from "../../kernels/runtime/executor.ts";
import {
  type DeviceFacts,
  type Dims3,
  type Plan,
  tensor,
  type TensorSpec,
  type TuningTable,
} from "../../kernels/spec.ts";
import type { NetworkConfig } from "../../model/config.ts";
import { resEncUNet } from "../../model/unet.ts";
import { PredictionError } from "./errors.ts";

/** Weights of a network by PyTorch key. */
export type NetworkWeights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/** What {@linkcode WindowNetwork.create} takes. */
export interface WindowNetworkOptions {
  readonly network: NetworkConfig;
  /** `[D, H, W]` of a window. */
  readonly patch: Dims3;
  /** One set of weights, or those of the folds of an ensemble. */
  readonly folds: readonly NetworkWeights[];
  /** Storage of activations, f32 when left out. */
  readonly precision?: "f32" | "f16";
  readonly tuning?: TuningTable;
}

/**
 * Plans a network on one window, mirrored along flagged axes: inputs `window` and `mirrored`, output `logits`.
 *
 * @throws {ConfigError} when network and patch do not fit
 * @throws {LimitError} when a tensor exceeds the device
 */
export function planWindow(
  { network, patch, precision, tuning }: Omit<WindowNetworkOptions, "folds">,
  device: DeviceFacts,
): { readonly graph: Graph; readonly plan: Plan } {
  const graph = new Graph();
  const window = graph.input("window", tensor([1, network.inputChannels, ...patch]));
  const flags = graph.input("mirrored", tensor([3], "i32"));
  let [x] = graph.apply(mirror, [window, flags], {});
  if (precision === "f16") [x] = graph.apply(cast, [x], { to: "f16" });
  const [logits] = resEncUNet(new Scope(graph), x, { ...network, deepSupervision: false }).outputs;
  graph.output("logits", logits);
  return { graph, plan: compile(graph, { device, phases: { window: [logits] }, tuning }) };
}

/**
 * A network that computes logits of one window at a time, mirrored or not.
 *
 * Windows have no batch axis: how kernels cut their work, and with it the order of sums, depends on shapes, and the logits of a window
 * must not depend on which others happen to be computed with it.
 */
export class WindowNetwork implements Disposable {
  #loaded = 0;

  private constructor(
    readonly gpu: Gpu,
    readonly options: WindowNetworkOptions,
    private readonly executor: Executor,
    private readonly parameters: readonly string[],
  ) {}

  /**
   * Plans and allocates the network, and uploads the first fold.
   *
   * @throws {ConfigError} when network and patch do not fit
   * @throws {PredictionError} when a fold lacks a tensor or has one of another size
   * @throws {LimitError} when a tensor exceeds the device
   * @throws {DeviceError} when memory runs out
   */
  static async create(gpu: Gpu, options: WindowNetworkOptions): Promise<WindowNetwork> {
    const { graph, plan } = planWindow(options, gpu.facts);
    verifyPlan(plan, gpu.facts);
    for (const weights of options.folds) checkWeights(graph, weights);
    const executor = await Executor.create(gpu, plan);
    const network = new WindowNetwork(gpu, options, executor, graph.parameters.map((p) => p.name));
    network.#upload(0);
    return network;
  }

  /** Device memory of weights and activations, bytes. */
  get deviceBytes(): number {
    return this.executor.plan.report.peakBytes;
  }

  get channels(): number {
    return this.options.network.outputChannels;
  }

  /** `[1, C, ...patch]`, f32 or f16. */
  get logitsSpec(): TensorSpec {
    return this.executor.plan.named.logits.spec;
  }

  /** For other executors: the logits of the last window, mirrored as it was. */
  get logits(): ExecutorOptions["shared"] {
    return { executor: this.executor, outputs: { logits: "logits" } };
  }

  /** Reads the logits of the last window back. Stalls. */
  async readLogits(): Promise<Float32Array<ArrayBuffer>> {
    return await this.executor.read("logits");
  }

  /** Makes a fold's weights those of the windows that follow. */
  useFold(fold: number): void {
    if (fold !== this.#loaded) this.#upload(fold);
  }

  #upload(fold: number): void {
    const weights = this.options.folds[fold];
    for (const name of this.parameters) this.executor.parameters.write(name, weights.get(name)!);
    this.#loaded = fold;
  }

  /** @param window `[channels, ...patch]` of the windows that follow */
  setWindow(window: Float32Array<ArrayBuffer>): void {
    this.executor.write("window", window);
  }

  /** Submits the network on the window, mirrored along the flagged axes. Does not wait. */
  run(mirrored: Int32Array<ArrayBuffer>): void {
    this.executor.write("mirrored", mirrored);
    this.executor.run("window");
  }

  /** Waits for everything submitted. @throws {DeviceError} when the device failed */
  async finish(): Promise<void> {
    await this.executor.finish();
  }

  [Symbol.dispose](): void {
    this.executor[Symbol.dispose]();
  }
}

function checkWeights(graph: Graph, weights: NetworkWeights): void {
  for (const { name, spec } of graph.parameters) {
    const found = weights.get(name);
    const wanted = spec.shape.reduce((product, extent) => product * extent, 1);
    if (found?.length === wanted) continue;
    throw new PredictionError(
      `Cannot predict with these weights: ${name} has ${
        found ? `${found.length} elements` : "no tensor"
      }, wanted [${spec.shape}]: use a checkpoint of this network`,
    );
  }
}
