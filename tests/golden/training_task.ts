/** Networks and losses of the recorded training runs: sparse pre-training, supervised segmentation, a row of layers. */
import { Scope, type Value } from "../../kernels/graph/graph.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { conv3d } from "../../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../../kernels/ops/conv_transpose3d/op.ts";
import { diceCe } from "../../kernels/ops/dice_ce/op.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { type Dims3, tensor } from "../../kernels/spec.ts";
import { NORM_EPS } from "../../model/config.ts";
import { maskedAutoencoder } from "../../model/mae.ts";
import { resEncUNet } from "../../model/unet.ts";
import { declareVisibleBlocks, type EncoderLayout } from "../../model/masking.ts";
import type { Contents } from "../support/ops.ts";
import { type FedGraph, recorded, tableGrid, tableOf } from "./gpu.ts";
import {
  namedNetwork,
  networkConfig,
  type RecordedNetwork,
  type RecordedState,
  sparseKind,
} from "./network.ts";
import type { GoldenCase, GoldenGroup } from "./support.ts";

/** An input with its contents in every step. */
export interface StepInput {
  readonly value: Value;
  readonly contents: (step: number) => Contents;
}

/** A network with its loss, and the inputs that change from step to step. */
export interface Task {
  readonly loss: Value;
  readonly stepInputs: readonly StepInput[];
  readonly decayOnly: readonly Value[];
}

/** The network and loss of a recorded run. @throws {Error} when the loss is unknown */
export function buildTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph, layout: EncoderLayout): Task {
  switch (c.attributes.loss) {
    case "SparkLoss":
      return sparseTask(group, c, fed, layout);
    case "DC_and_CE_loss":
      return supervisedTask(group, c, fed);
    case "mean squared error":
      return sequentialTask(group, c, fed);
    default:
      throw new Error(`unknown loss ${c.attributes.loss}`);
  }
}

/** An input whose contents are recorded as `recordedAs(step)`. */
function stepInput(
  group: GoldenGroup,
  c: GoldenCase,
  fed: FedGraph,
  name: string,
  recordedAs: (step: number) => string,
): StepInput {
  return {
    value: fed.graph.input(name, tensor(c.inputs[recordedAs(0)].shape)),
    contents: (step) => recorded(group, c.inputs[recordedAs(step)]).data,
  };
}

/** What tells the visible blocks of every step in a layout. */
function stepMasks(group: GoldenGroup, c: GoldenCase, fed: FedGraph, layout: EncoderLayout) {
  const masks = Array.from(
    { length: Number(c.attributes.steps) },
    (_, i) => recorded(group, c.inputs[`mask${i}`]),
  );
  const at = tableGrid(masks);
  const told = declareVisibleBlocks(fed.graph, layout, masks[0].shape[0], at);
  const input: StepInput = "table" in told
    ? { value: told.table, contents: (step) => tableOf(masks[step], at) }
    : { value: told, contents: (step) => masks[step].data };
  return { told, input };
}

/** Sparse pre-training; the reference feeds the unmasked patch to the stem. */
function sparseTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph, layout: EncoderLayout): Task {
  const network = namedNetwork<RecordedNetwork>(group, c);
  const x = stepInput(group, c, fed, "x", (step) => `x${step}`);
  const mask = stepMasks(group, c, fed, layout);
  const { reconstruction, visible, decayOnly } = maskedAutoencoder(
    new Scope(fed.graph),
    x.value,
    mask.told,
    {
      kind: sparseKind(network),
      network: networkConfig(network.architecture),
      leakyStem: true,
    },
  );
  const attrs = { power: 2, region: "hidden" } as const;
  const [loss] = fed.graph.apply(reconstructionError, [reconstruction, x.value, visible], attrs);
  return { loss, stepInputs: [x, mask.input], decayOnly };
}

/** Dice and cross-entropy with deep supervision; outputs with weight 0 are left out, so their heads get no gradient. */
function supervisedTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  const network = namedNetwork<RecordedNetwork>(group, c);
  const x = stepInput(group, c, fed, "x", (step) => `x${step}`);
  const { outputs } = resEncUNet(new Scope(fed.graph), x.value, networkConfig(network.architecture));
  const weights = (c.attributes.deep_supervision_weights ?? [1]) as number[];
  if (weights.length !== outputs.length) {
    throw new Error(`${weights.length} weights for ${outputs.length} outputs`);
  }
  const stepInputs = [x];
  const losses = outputs.flatMap((logits, i): Value[] => {
    if (weights[i] === 0) return [];
    const labels = stepInput(group, c, fed, `target ${i}`, (step) => `target${step}_${i}`);
    stepInputs.push(labels);
    return [
      fed.graph.apply(diceCe, [logits, labels.value], {
        batchDice: c.attributes.batch_dice === true,
        doBackground: c.attributes.do_bg === true,
        smooth: Number(c.attributes.smooth),
        diceWeight: weights[i],
        ceWeight: weights[i],
        ignoreLabel: (c.attributes.ignore_label ?? null) as number | null,
      })[0],
    ];
  });
  return { loss: losses.reduce((a, b) => fed.graph.apply(add, [a, b], {})[0]), stepInputs, decayOnly: [] };
}

/** A row of layers, described as `0 Conv3d(1,6,k3,p1); 1 InstanceNorm3d(6); 2 LeakyReLU(0.01); ...`. */
function sequentialTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  const network = namedNetwork<RecordedState & { layers: string }>(group, c);
  const x = stepInput(group, c, fed, "x", (step) => `x${step}`);
  const y = stepInput(group, c, fed, "y", (step) => `y${step}`);
  const prediction = network.layers.split(";").map((layer) => layer.trim()).reduce((value, layer) => {
    const [, index, name, options] = layer.match(/^(\d+) (\w+)\((.*)\)$/) ?? [];
    const parameter = (which: string) =>
      new Scope(fed.graph).parameter(`${index}.${which}`, network.tensors[`${index}.${which}`].shape, {
        kind: "zeros",
      });
    const stride = Number(options?.match(/\bs(\d)/)?.[1] ?? 1);
    const strides: Dims3 = [stride, stride, stride];
    switch (name) {
      case "Conv3d": {
        const weight = parameter("weight");
        const kernel = weight.spec.shape.slice(2) as unknown as Dims3;
        return fed.graph.apply(conv3d, [value, weight, parameter("bias")], {
          kernel,
          stride: strides,
          inputs: 1,
          bias: true,
        })[0];
      }
      case "ConvTranspose3d":
        return fed.graph.apply(convTranspose3d, [value, parameter("weight"), parameter("bias")], {
          stride: strides,
          bias: true,
        })[0];
      case "InstanceNorm3d": {
        const attrs = { eps: NORM_EPS, affine: true, residual: false, masked: false, slope: 1 };
        return fed.graph.apply(instanceNorm, [value, parameter("weight"), parameter("bias")], attrs)[0];
      }
      case "LeakyReLU":
        return fed.graph.apply(leakyRelu, [value], { slope: Number(options) })[0];
      default:
        throw new Error(`unknown layer ${layer}`);
    }
  }, x.value);
  const [loss] = fed.graph.apply(reconstructionError, [prediction, y.value], { power: 2, region: "all" });
  return { loss, stepInputs: [x, y], decayOnly: [] };
}
