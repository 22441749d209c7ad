import { getPatchSize } from "../data/sampler.ts";
import { differentiate } from "../kernels/graph/gradient.ts";
import { Graph, Scope, type Value } from "../kernels/graph/graph.ts";
import type { CompileOptions } from "../kernels/graph/plan.ts";
import { add } from "../kernels/ops/add/op.ts";
import { assign } from "../kernels/ops/assign/op.ts";
import { cast } from "../kernels/ops/cast/op.ts";
import { affineResample } from "../kernels/ops/augment/op.ts";
import { TRANSFORM_LENGTH } from "../kernels/ops/augment/transform.ts";
import { fill } from "../kernels/ops/fill/op.ts";
import { reconstructionError } from "../kernels/ops/loss/op.ts";
import { STEP_SCALARS } from "../kernels/ops/optimizer/op.ts";
import { msSsimLoss, ssimLoss } from "../kernels/ops/ssim/loss.ts";
import { type BlockGrid, cellCount } from "../kernels/ops/blocks/table.ts";
import { type Dims3, tensor } from "../kernels/spec.ts";
import { maskedAutoencoder } from "../model/mae.ts";
import type { MaeConfig } from "../model/mae.ts";
import { declareVisibleBlocks, type EncoderLayout, type Masking, sizeOf } from "../model/masking.ts";
import { networkPreset } from "../model/config.ts";
import { blockGrid, keptCapacity } from "./mask.ts";
import type { RunConfig } from "./config.ts";
import { addMetricsRing } from "./metrics_ring.ts";
import { addOptimizer, declareLossScale } from "./optimizer.ts";

/**
 * The graph of a pre-training run and its phases:
 * `augment` (crop and transform -> image), `micro` (forward, loss, backward, gradients added), `update` (clip, optimiser,
 * metrics row), `evaluate` (image and mask -> reconstruction and masked squared error).
 */
export interface PretrainGraph {
  readonly graph: Graph;
  readonly phases: CompileOptions["phases"];
  /** Size of the crops that `augment` takes, `[D, H, W]`. */
  readonly cropSize: Dims3;
  readonly layout: EncoderLayout;
  /** Grid of the masks, and the largest number of visible blocks that a sample may have. */
  readonly blocks: BlockGrid;
}

/** How a run's encoder stores its activations. */
function encoderLayout({ layout, network: { kind } }: RunConfig): EncoderLayout {
  if (layout !== "auto") return layout;
  return kind === "mae" ? "dense-masked" : "blocks";
}

/** The masked auto-encoder that a run configuration describes. @throws {ConfigError} when it cannot be built */
export function maeConfig(config: RunConfig): MaeConfig {
  const { kind, preset, features, blocks, init, zeroHead, leakyStem } = config.network;
  const changes = { init, zeroHead, ...(features ? { features } : {}), ...(blocks ? { blocks } : {}) };
  return { kind, leakyStem, network: networkPreset(preset, changes) };
}

/**
 * Builds forward, backward and update of a run.
 *
 * Inputs: `crop` `[M, 1, ...cropSize]`, `transform` `[M, 16]`, `image` `[M, 1, ...patch]` (written by `augment`, or by the host
 * before `evaluate`), `scalars` `[4]`, and what tells visible blocks: `table` `[M, 1 + G + K]` in the block layout, `mask`
 * `[M, 1, ...grid]` (1 = visible) in the dense-masked one. M = micro-batch. Outputs `reconstruction`, `maskedError`; state
 * `metrics` `[rows, columns]`.
 *
 * With precision f16 the network, from the image's cast to the reconstruction, and its backward pass are f16; the seed of the
 * gradient is the state `lossScale`, without which most gradients would vanish. `auto`, where nobody resolved it, counts as f32.
 *
 * @throws {ConfigError | ShapeError} when network, patch and block do not fit together
 */
export function buildPretrainGraph(config: RunConfig): PretrainGraph {
  const { batch, augmentation } = config;
  const patch: Dims3 = config.patch;
  const grid = blockGrid(patch, config.mask.block);
  const cropSize = augmentation.rotationProbability > 0 || augmentation.scaleProbability > 0
    ? getPatchSize(patch)
    : patch;
  const graph = new Graph();
  const scope = new Scope(graph);
  const crop = graph.input("crop", tensor([batch.micro, 1, ...cropSize]));
  const transform = graph.input("transform", tensor([batch.micro, TRANSFORM_LENGTH]));
  const image = graph.input("image", tensor([batch.micro, 1, ...patch]));
  const layout = encoderLayout(config);
  const blocks = { grid, kept: keptCapacity(config.mask.ratio, cellCount(grid)) };
  const told = declareVisibleBlocks(graph, layout, batch.micro, blocks);
  const scalars = graph.input("scalars", tensor([STEP_SCALARS]));
  const [augmented] = graph.within("augment", () =>
    graph.apply(affineResample, [crop, transform], {
      size: patch,
      order: augmentation.interpolation === "cubic" ? 3 : 1,
    }));
  const [shown] = graph.apply(assign, [image, augmented], {});
  const half = config.precision === "f16";
  const x = half ? scope.at("input").apply(cast, [image], { to: "f16" }) : image;
  const { reconstruction, visible, masking, decayOnly } = maskedAutoencoder(
    scope,
    x,
    told,
    maeConfig(config),
  );
  const loss = reconstructionLoss(graph, config.loss, reconstruction, image, masking);
  const [maskedError] = config.loss === "mse"
    ? [loss]
    : graph.apply(reconstructionError, [reconstruction, image, visible], { power: 2, region: "hidden" });
  graph.output("reconstruction", reconstruction);
  graph.output("maskedError", maskedError);
  const lossScale = half ? declareLossScale(graph) : undefined;
  const seed = lossScale?.scale ?? graph.apply(fill, [], { shape: [1], value: 1 })[0];
  const gradients = differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: graph.parameters, add });
  const share = batch.micro / batch.size;
  const { accumulated, updated, clip } = addOptimizer(graph, graph.parameters, {
    optimizer: config.optimizer,
    clipNorm: config.clipNorm,
    gradients,
    decayOnly,
    share,
    scalars,
    lossScale,
  });
  const { summed, logged } = addMetricsRing(graph, { loss, share, clip, scalars });
  return {
    graph,
    cropSize,
    layout,
    blocks,
    phases: {
      augment: [shown],
      micro: [...accumulated, summed],
      update: [...updated, logged],
      evaluate: [reconstruction, maskedError],
    },
  };
}

function reconstructionLoss(
  graph: Graph,
  loss: RunConfig["loss"],
  prediction: Value,
  target: Value,
  masking: Masking,
): Value {
  return graph.within("loss", () => {
    const visible = masking.visible(sizeOf(target));
    const inputs = [prediction, target, visible];
    const single = () =>
      prediction.spec.dtype === "f16" ? graph.apply(cast, [prediction], { to: "f32" })[0] : prediction;
    switch (loss) {
      case "mse":
        return graph.apply(reconstructionError, inputs, { power: 2, region: "hidden" })[0];
      case "l1":
        return graph.apply(reconstructionError, inputs, { power: 1, region: "hidden" })[0];
      case "mse-all":
        return graph.apply(reconstructionError, [prediction, target], { power: 2, region: "all" })[0];
      case "l1-all":
        return graph.apply(reconstructionError, [prediction, target], { power: 1, region: "all" })[0];
      case "ssim":
        return ssimLoss(graph, single(), target);
      case "ssim-masked":
        return ssimLoss(graph, single(), target, visible);
      case "ms-ssim":
        return msSsimLoss(graph, single(), target);
      case "ms-ssim-masked":
        return msSsimLoss(graph, single(), target, visible);
    }
  });
}
