/** Small networks with a loss, all gradients and contents, for comparing the GPU with the float64 interpreter. */
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, Scope, type Value } from "../../kernels/graph/graph.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { type Dims3, elementCount, tensor } from "../../kernels/spec.ts";
import { hashRandom } from "../../data/random.ts";
import { blockTableRow } from "../../kernels/ops/blocks/table.ts";
import { type MaeConfig, maskedAutoencoder } from "../../model/mae.ts";
import { declareVisibleBlocks, type EncoderLayout } from "../../model/masking.ts";
import { initialValues } from "../../model/parameters.ts";
import { type Contents, noise } from "../support/ops.ts";

/** Contents of graph values. */
export type Feeds = Map<Value, Contents>;

/** A masked auto-encoder with its loss over hidden voxels and the gradient of every parameter. */
export interface AutoencoderCase {
  readonly graph: Graph;
  readonly image: Value;
  /** The graph input that tells visible blocks: a block mask or a block table. */
  readonly mask: Value;
  readonly reconstruction: Value;
  readonly loss: Value;
  /** Gradients by parameter name; parameters that the loss does not depend on are absent. */
  readonly gradients: ReadonlyMap<string, Value>;
  readonly decayOnly: readonly string[];
  readonly feeds: Feeds;
}

/** Sizes of a case. */
export interface CaseSize {
  readonly batch: number;
  readonly patch: Dims3;
  readonly block: Dims3;
  /** How the encoder stores its activations; dense-masked unless given. */
  readonly layout?: EncoderLayout;
  /** Visible cells of all samples, `[N * G]` of 0 and 1, unless {@link blockMask} shall choose. */
  readonly cells?: Float32Array<ArrayBuffer>;
}

/** Contents of the input that tells visible blocks, and the capacity for them: one more than the largest count. */
function visibleBlocks(
  layout: EncoderLayout,
  cells: Float32Array<ArrayBuffer>,
  batch: number,
  grid: Dims3,
): { data: Contents; kept: number } {
  const g = cells.length / batch;
  const samples = Array.from({ length: batch }, (_, n) => cells.subarray(n * g, (n + 1) * g));
  const kept = Math.max(...samples.map((sample) => sample.reduce((sum, v) => sum + v, 0))) + 1;
  if (layout === "dense-masked") return { data: cells, kept };
  const rows = samples.map((sample) => blockTableRow(sample, { grid, kept }));
  return { data: Int32Array.from(rows.flatMap((row) => [...row])), kept };
}

/** A block mask with about a third of the cells visible; the first cell of every sample is, the last is not. */
function blockMask(shape: readonly number[], seed: number): Float32Array<ArrayBuffer> {
  const sample = elementCount(shape) / shape[0];
  return noise(elementCount(shape), seed).map((v, i) => {
    const cell = i % sample;
    return cell === 0 ? 1 : cell === sample - 1 ? 0 : v > 0.3 ? 1 : 0;
  }) as Float32Array<ArrayBuffer>;
}

/** Starting weights, moved a little so that gammas, betas and biases differ from one another. */
export function movedParameters(graph: Graph, seed = 3): Feeds {
  return new Map(graph.parameters.map((p, i) => {
    const start = initialValues(p.init!, p.spec.shape, hashRandom(seed, i));
    const shift = noise(start.length, seed + 100 + i);
    return [p, start.map((v, k) => v + 0.05 * shift[k]) as Float32Array<ArrayBuffer>];
  }));
}

/** Builds a case; `scope` is where its parameters live. */
export function autoencoderCase(config: MaeConfig, size: CaseSize): AutoencoderCase {
  const { batch, patch, block, layout = "dense-masked" } = size;
  const graph = new Graph();
  const grid = patch.map((n, axis) => n / block[axis]) as unknown as Dims3;
  const image = graph.input("image", tensor([batch, config.network.inputChannels, ...patch]));
  const cells = size.cells ?? blockMask([batch, 1, ...grid], 2);
  const { data, kept } = visibleBlocks(layout, cells, batch, grid);
  const told = declareVisibleBlocks(graph, layout, batch, { grid, kept });
  const mask = "table" in told ? told.table : told;
  const { reconstruction, visible, decayOnly } = maskedAutoencoder(new Scope(graph), image, told, config);
  const [loss] = graph.apply(reconstructionError, [reconstruction, image, visible], {
    power: 2,
    region: "hidden",
  });
  const [seed] = graph.apply(fill, [], { shape: [1], value: 1 });
  const found = differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: graph.parameters, add });
  const feeds = movedParameters(graph);
  feeds.set(image, noise(elementCount(image.spec.shape), 1));
  feeds.set(mask, data);
  return {
    graph,
    image,
    mask,
    reconstruction,
    loss,
    gradients: new Map([...found].map(([p, g]) => [p.name, g])),
    decayOnly: decayOnly.map((p) => p.name),
    feeds,
  };
}

/** The same contents in float64. */
export function exact(feeds: Feeds): Map<Value, Float64Array> {
  return new Map([...feeds].map(([value, data]) => [value, Float64Array.from(data)]));
}

/** Largest absolute value. */
export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}
