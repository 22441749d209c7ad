import type { LabelSet } from "../../data/nnunet/labels.ts";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import type { CompileOptions } from "../../kernels/graph/plan.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { assign } from "../../kernels/ops/assign/op.ts";
import { cast } from "../../kernels/ops/cast/op.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { STEP_SCALARS } from "../../kernels/ops/optimizer/op.ts";
import { type Dims3, tensor } from "../../kernels/spec.ts";
import { resEncUNet } from "../../model/unet.ts";
import { addMetricsRing } from "../metrics_ring.ts";
import { addOptimizer, declareLossScale } from "../optimizer.ts";
import { augmentPatch, plainPatch } from "./augment_graph.ts";
import { augmentationCropSize } from "./augmentation_config.ts";
import { type FinetuneConfig, finetuneNetwork, microBatch } from "./config.ts";
import { augmentationLength } from "./sample_augmentation.ts";
import { segmentationCounts, segmentationLoss } from "./segmentation_loss.ts";
import { isTrainable, type TrainableSet } from "./stages.ts";

/** What a stage of a fine-tuning run computes, beside its configuration. */
export interface FinetuneGraphRequest {
  readonly config: FinetuneConfig;
  readonly labels: LabelSet;
  /** For each input channel whether it is 0 outside the non-zero mask: the plan's `use_mask_for_norm`. */
  readonly maskImage: readonly boolean[];
  readonly trainable: TrainableSet;
  /** Whether transfer adapted the stem to another number of channels. */
  readonly stemAdapted: boolean;
}

/**
 * The graph of a stage and its phases:
 * `augment` (crop and transforms -> image, label), `plain` (validation patch -> image, label), `micro` (forward, loss, backward,
 * gradients added), `update` (clip, optimiser, metrics row), `validate` (forward, loss and confusion counts added).
 */
export interface FinetuneGraph {
  readonly graph: Graph;
  readonly phases: CompileOptions["phases"];
  /** Size of the crops that `augment` takes, `[D, H, W]`. */
  readonly cropSize: Dims3;
  /** Patches computed at once. */
  readonly micro: number;
  /** Names of the parameters that the stage moves. */
  readonly trained: readonly string[];
}

/** Names and shapes of the network's parameters, in order of declaration. */
export function networkParameters(
  config: FinetuneConfig,
): readonly { readonly name: string; readonly shape: readonly number[] }[] {
  const graph = new Graph();
  const network = finetuneNetwork(config);
  resEncUNet(
    new Scope(graph),
    graph.input("image", tensor([1, network.inputChannels, ...config.patch])),
    network,
  );
  return graph.parameters.map(({ name, spec }) => ({ name, shape: spec.shape }));
}

/**
 * Builds forward, backward and update of a stage.
 *
 * Inputs, M = micro-batch, C = channels: `crop` `[M, C, ...cropSize]`, `cropLabel` `[M, 1, ...cropSize]`, `parameters`
 * `[M, augmentationLength(C)]`; `window` `[M, C, ...patch]`, `windowLabel` `[M, 1, ...patch]` of validation; `image` and `label`
 * (written by `augment` or `plain`); `scalars` `[4]`. Accumulators `validationLoss` `[1]` and `confusion` `[outputs, 3]`: true
 * positives, false positives, false negatives; state `metrics` `[rows, columns]`.
 *
 * Parameters that the stage does not train get neither gradient nor decay. With precision f16 the network is f16 from the image's
 * cast to the logits; the seed of the gradient is the state `lossScale`.
 *
 * @throws {ConfigError | ShapeError} when network and patch do not fit together
 */
export function buildFinetuneGraph(request: FinetuneGraphRequest): FinetuneGraph {
  const { config, labels, maskImage, trainable, stemAdapted } = request;
  const { batch, batchDice } = config;
  const patch: Dims3 = config.patch;
  const network = finetuneNetwork(config);
  const micro = microBatch(config), channels = network.inputChannels;
  const cropSize = augmentationCropSize(patch, config.augmentation);
  const graph = new Graph();
  const scope = new Scope(graph);
  const pair = (image: string, label: string, size: Dims3) => [
    graph.input(image, tensor([micro, channels, ...size])),
    graph.input(label, tensor([micro, 1, ...size])),
  ];
  const [crop, cropLabel] = pair("crop", "cropLabel", cropSize);
  const parameters = graph.input("parameters", tensor([micro, augmentationLength(channels)]));
  const [window, windowLabel] = pair("window", "windowLabel", patch);
  const [image, label] = pair("image", "label", patch);
  const scalars = graph.input("scalars", tensor([STEP_SCALARS]));
  const options = { patch, maskImage, config: config.augmentation };
  const shown = (made: { readonly image: typeof image; readonly label: typeof label }) => [
    graph.apply(assign, [image, made.image], {})[0],
    graph.apply(assign, [label, made.label], {})[0],
  ];
  const augment = shown(augmentPatch(graph, { crop, label: cropLabel, parameters }, options));
  const plain = shown(plainPatch(graph, { crop: window, label: windowLabel }, options));
  const half = config.precision === "f16";
  const x = half ? scope.at("input").apply(cast, [image], { to: "f16" }) : image;
  const { outputs } = resEncUNet(scope, x, network);
  const loss = graph.within("loss", () => segmentationLoss(graph, outputs, label, labels, { batchDice }));
  const lossScale = half ? declareLossScale(graph) : undefined;
  const seed = lossScale?.scale ?? graph.apply(fill, [], { shape: [1], value: 1 })[0];
  const candidates = graph.parameters.filter(({ name }) => isTrainable(name, trainable, { stemAdapted }));
  const gradients = differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: candidates, add });
  const trained = candidates.filter((parameter) => gradients.has(parameter));
  const share = micro / batch.size;
  const { accumulated, updated, clip } = addOptimizer(graph, trained, {
    optimizer: config.optimizer,
    clipNorm: config.clipNorm,
    gradients,
    decayOnly: [],
    share,
    scalars,
    lossScale,
  });
  const { summed, logged } = addMetricsRing(graph, { loss, share, clip, scalars });
  const validate = graph.within("validate", () => {
    const counts = segmentationCounts(graph, outputs[0], label, labels);
    const lossSum = graph.accumulator("validationLoss", tensor([1]));
    const confusion = graph.accumulator("confusion", counts.spec);
    return [
      graph.apply(accumulate, [lossSum, loss], { scale: 1 })[0],
      graph.apply(accumulate, [confusion, counts], { scale: 1 })[0],
    ];
  });
  return {
    graph,
    cropSize,
    micro,
    trained: trained.map(({ name }) => name),
    phases: { augment, plain, micro: [...accumulated, summed], update: [...updated, logged], validate },
  };
}
