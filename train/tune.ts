import { neededNodes } from "../kernels/graph/steps.ts";
import type { Node } from "../kernels/graph/graph.ts";
import { LimitError } from "../kernels/errors.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import type { ProfileClock } from "../kernels/runtime/profile.ts";
import type { DeviceFacts, Tile, TileChoice, TunedTile } from "../kernels/spec.ts";
import type { RunConfig } from "./config.ts";
import { resolvePrecision } from "./precision.ts";
import { buildPretrainGraph } from "./step.ts";
import { timeTile } from "./time_tile.ts";

/** A gathered convolution of a run: one key, however many layers share it. */
export interface GatherQuery {
  readonly choice: TileChoice;
  /** One of the nodes that compute it. */
  readonly node: Node;
  /** Nodes that compute it in one micro-batch. */
  readonly count: number;
  /** Their part of the arithmetic of all gathers of a micro-batch. */
  readonly share: number;
}

/** What {@linkcode tuneTiles} found for one query; `tile` is null where nothing could be measured. */
export interface TunedQuery extends Omit<GatherQuery, "node" | "choice"> {
  readonly key: string;
  readonly tile: TunedTile | null;
  /** Tiles that were timed. */
  readonly tried: number;
}

/** What {@linkcode tuneTiles} needs. */
export interface TuneRequest {
  readonly queries: readonly GatherQuery[];
  readonly gpu: Gpu;
  readonly clock: ProfileClock;
  /** Milliseconds after which nothing new is begun. */
  readonly budgetMs: number;
  readonly signal?: AbortSignal;
  readonly onQuery: (query: TunedQuery, done: number) => void;
}

/** Operations that gather; those of them that do not say what their tile was chosen from are left out. */
const GATHERS = /^conv(Transpose)?3d/;
/** Most tiles tried for a query: software devices take about a second to compile each. */
const MOST_TILES = { software: 6, gpu: 12 } as const;
/** A tile replaces the rule's when it takes less than this share of its time: less is noise. */
const WORTHWHILE = 0.97;

/**
 * The distinct gathers of a run's micro-batch (forward and backward), most arithmetic first. Any tuning table of the
 * configuration is left aside.
 *
 * @throws {ConfigError | ShapeError} when network, patch and block do not fit together
 * @throws {DeviceError} when f16 is asked for and the adapter has none
 */
export function gatherQueries(config: RunConfig, facts: DeviceFacts): readonly GatherQuery[] {
  const { graph, phases } = buildPretrainGraph(resolvePrecision(config, facts));
  const found = new Map<string, { choice: TileChoice; node: Node; count: number; flop: number }>();
  for (const node of neededNodes(graph, phases.micro).filter(({ op }) => GATHERS.test(op.name))) {
    const inputs = node.inputs.map((v) => v.spec);
    const outputs = node.outputs.map((v) => v.spec);
    const { attrs, op } = node;
    const { choice } = op.lower({
      inputs,
      outputs,
      attrs,
      inPlace: [],
      accumulate: [],
      recompute: false,
      device: facts,
    });
    if (!choice) continue;
    const { flop } = op.cost(inputs, outputs, attrs);
    const same = found.get(choice.key);
    if (same) Object.assign(same, { count: same.count + 1, flop: same.flop + flop });
    else found.set(choice.key, { choice, node, count: 1, flop });
  }
  const total = [...found.values()].reduce((sum, { flop }) => sum + flop, 0);
  return [...found.values()].sort((a, b) => b.flop - a.flop)
    .map(({ choice, node, count, flop }) => ({ choice, node, count, share: flop / total }));
}

/**
 * Times the rule's tile and others of each query on the device, in order, until the budget is used up or the signal aborts.
 *
 * @returns the queries that were begun; one whose tensors exceed the device has no tile
 * @throws {DeviceError} when the device fails
 */
export async function tuneTiles(request: TuneRequest): Promise<readonly TunedQuery[]> {
  const { queries, gpu, signal, onQuery } = request;
  const end = performance.now() + request.budgetMs;
  const over = () => signal?.aborted || performance.now() >= end;
  const tuned: TunedQuery[] = [];
  for (const query of queries) {
    if (over()) break;
    const { choice: { key, candidates }, count, share } = query;
    const most = MOST_TILES[gpu.facts.software ? "software" : "gpu"];
    const result = { key, count, share, ...await tuneQuery(request, query, candidates.slice(0, most), over) };
    tuned.push(result);
    onQuery(result, tuned.length);
  }
  return tuned;
}

async function tuneQuery(
  { gpu, clock }: TuneRequest,
  { choice: { key }, node }: GatherQuery,
  [rule, ...others]: readonly Tile[],
  over: () => boolean | undefined,
): Promise<{ tile: TunedTile | null; tried: number }> {
  const time = async (tile: Tile, best: number) => {
    try {
      return await timeTile({ gpu, clock, node, key, tile, best });
    } catch (error) {
      if (error instanceof LimitError) return null;
      throw error;
    }
  };
  const ruleMs = await time(rule, Infinity);
  if (ruleMs === null) return { tile: null, tried: 0 };
  let best = { tile: rule, ms: ruleMs };
  let tried = 1;
  for (const tile of others) {
    if (over()) break;
    const ms = await time(tile, best.ms);
    if (ms === null) continue;
    tried++;
    if (ms < best.ms) best = { tile, ms };
  }
  const unchanged = { tile: { ...rule, ms: ruleMs, ruleMs }, tried };
  if (best.tile === rule) return unchanged;
  // once more in turn, for clocks and caches change while a query is tuned
  const again = Math.min(ruleMs, await time(rule, Infinity) ?? ruleMs);
  const ms = await time(best.tile, Infinity) ?? Infinity;
  return ms < WORTHWHILE * again ? { tile: { ...best.tile, ms, ruleMs: again }, tried } : unchanged;
}
