import { roundHalfToEven } from "../../resample.ts";
import { type Dims3, voxelCount } from "../../volume.ts";
import { convElements } from "./conv_elements.ts";
import type { Planner } from "./planners.ts";
import { planTopology, type Topology } from "./topology.ts";

/** What a network is planned for. */
export interface NetworkDemand {
  /** Target spacing, mm. */
  readonly spacing: Dims3;
  /** Median shape of the cases at that spacing; may be halves. */
  readonly medianShape: Dims3;
  /** Voxels of the data set at that spacing. */
  readonly datasetVoxels: number;
  /** Entries of `labels`, background and ignore included. */
  readonly declaredLabels: number;
  readonly planner: Planner;
  /** GiB of GPU memory to plan for. */
  readonly gpuMemoryGb: number;
}

/** A planned network with its patch and batch. */
export interface PlannedNetwork extends Topology {
  readonly batch: number;
  readonly features: readonly number[];
  /** Residual blocks or convolutions of every encoder stage. */
  readonly encoder: readonly number[];
  /** Convolutions of every decoder stage. */
  readonly decoder: readonly number[];
  /** Elements of all convolution outputs for one patch. */
  readonly cost: number;
}

const BASE_FEATURES = 32;
const MOST_FEATURES = 320;
/** Voxels of the patch that planning starts from. */
const START_VOXELS = 256 ** 3;
/** Batch that a planner's reference belongs to, and the smallest. */
const BATCH = 2;

/**
 * Plans topology, patch and batch: starts from a patch of 256^3 voxels with the shape of the spacing, no larger than the median case,
 * and shrinks the axis that covers most of it until the cost fits the memory.
 *
 * Source: nnU-Net v2 `ExperimentPlanner.get_plans_for_configuration`
 */
export function planNetwork(demand: NetworkDemand): PlannedNetwork {
  const { spacing, medianShape, planner } = demand;
  const density = spacing.map((step) => 1 / step);
  const scale = (START_VOXELS / voxelCount(density)) ** (1 / 3);
  const start = (axis: number) => Math.min(roundHalfToEven(density[axis] * scale), medianShape[axis]);
  let topology = planTopology(spacing, [start(0), start(1), start(2)]);
  let network = sized(topology, demand);
  const reference = planner.reference * demand.gpuMemoryGb / planner.nominalGb;
  while (network.cost > reference) {
    const axis = mostCovering(topology.patch, medianShape);
    const trial = less(topology.patch, axis, topology.divisor[axis]);
    if (trial[axis] < 1) break; // nothing is left to shrink
    const patch = less(topology.patch, axis, planTopology(spacing, trial).divisor[axis]);
    topology = planTopology(spacing, patch);
    network = sized(topology, demand);
  }
  const fitting = roundHalfToEven(reference / network.cost * BATCH);
  const covering = roundHalfToEven(demand.datasetVoxels * planner.cover / voxelCount(network.patch));
  return { ...network, batch: Math.max(Math.min(fitting, covering), BATCH) };
}

function sized(topology: Topology, { planner, declaredLabels }: NetworkDemand) {
  const stages = topology.strides.length;
  const network = {
    kind: planner.network,
    features: Array.from({ length: stages }, (_, s) => Math.min(BASE_FEATURES * 2 ** s, MOST_FEATURES)),
    strides: topology.strides,
    encoder: Array.from({ length: stages }, (_, s) => planner.encoder[s] ?? planner.encoder.at(-1)!),
    decoder: new Array<number>(stages - 1).fill(planner.decoder),
    outputs: declaredLabels,
    deepSupervision: false,
  } as const;
  const { features, encoder, decoder } = network;
  return { ...topology, features, encoder, decoder, cost: convElements(network, topology.patch) };
}

/** Axis with the largest patch / median size; the last of equals. */
function mostCovering(patch: Dims3, medianShape: Dims3): number {
  const cover = patch.map((size, axis) => size / medianShape[axis]);
  return cover.lastIndexOf(Math.max(...cover));
}

function less(patch: Dims3, axis: number, by: number): Dims3 {
  const size = (a: number) => patch[a] - (a === axis ? by : 0);
  return [size(0), size(1), size(2)];
}
