/** Optimisation traces: loss and gradient norm of every step and the weights after the last one, against recorded values. */
import { Scope, type Value } from "../../../kernels/graph/graph.ts";
import { compile } from "../../../kernels/graph/plan.ts";
import { verifyPlan } from "../../../kernels/graph/verify.ts";
import { add } from "../../../kernels/ops/add/op.ts";
import { conv3d } from "../../../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../../../kernels/ops/conv_transpose3d/op.ts";
import { diceCe } from "../../../kernels/ops/dice_ce/op.ts";
import { instanceNorm } from "../../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../../kernels/ops/leaky_relu/op.ts";
import { reconstructionError } from "../../../kernels/ops/loss/op.ts";
import { STEP_SCALARS } from "../../../kernels/ops/optimizer/op.ts";
import { Executor } from "../../../kernels/runtime/executor.ts";
import { type Dims3, tensor } from "../../../kernels/spec.ts";
import { maskedAutoencoder } from "../../../model/mae.ts";
import { resEncUNet } from "../../../model/unet.ts";
import type { RunConfig } from "../../../train/config.ts";
import { addOptimizer, stepScalars } from "../../../train/optimizer.ts";
import { polyLr } from "../../../train/schedule.ts";
import { testGpu } from "../../support/gpu.ts";
import { eachCase, FedGraph, readTogether, recorded } from "../gpu.ts";
import {
  loadState,
  namedNetwork,
  networkConfig,
  type RecordedNetwork,
  recordedStart,
  type RecordedState,
  sparseKind,
} from "../network.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

/** A network with its loss; `stepInputs` are inputs whose contents come from `<name><step>` or `<name><step>_<rest>` each step. */
interface Task {
  readonly loss: Value;
  readonly stepInputs: readonly { readonly value: Value; readonly recordedAs: (step: number) => string }[];
  readonly decayOnly: readonly Value[];
}

interface Trace {
  readonly loss_f32: number[];
  readonly grad_norm_f32: number[];
  readonly loss_f64: number[];
  readonly grad_norm_f64: number[];
  readonly lr?: number[];
}

/** Repeats every recorded run with the nodes that training uses. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op !== "training_trace") throw new Error(`unknown op ${c.op}`);
    const fed = new FedGraph();
    const task = buildTask(group, c, fed);
    await train(group, check, c, fed, task);
  });
}

function buildTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  switch (c.attributes.loss) {
    case "SparkLoss":
      return sparseTask(group, c, fed);
    case "DC_and_CE_loss":
      return supervisedTask(group, c, fed);
    case "mean squared error":
      return sequentialTask(group, c, fed);
    default:
      throw new Error(`unknown loss ${c.attributes.loss}`);
  }
}

function stepInput(c: GoldenCase, fed: FedGraph, name: string, recordedAs: (step: number) => string) {
  return { value: fed.graph.input(name, tensor(c.inputs[recordedAs(0)].shape)), recordedAs };
}

/** Sparse pre-training; the reference feeds the unmasked patch to the stem. */
function sparseTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  const network = namedNetwork<RecordedNetwork>(group, c);
  const x = stepInput(c, fed, "x", (step) => `x${step}`);
  const mask = stepInput(c, fed, "mask", (step) => `mask${step}`);
  const { reconstruction, visible, decayOnly } = maskedAutoencoder(
    new Scope(fed.graph),
    x.value,
    mask.value,
    {
      kind: sparseKind(network),
      network: networkConfig(network.architecture),
      leakyStem: true,
    },
  );
  const attrs = { power: 2, region: "hidden" } as const;
  const [loss] = fed.graph.apply(reconstructionError, [reconstruction, x.value, visible], attrs);
  return { loss, stepInputs: [x, mask], decayOnly };
}

/** Dice and cross-entropy with deep supervision; outputs with weight 0 are left out, so their heads get no gradient. */
function supervisedTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  const network = namedNetwork<RecordedNetwork>(group, c);
  const x = stepInput(c, fed, "x", (step) => `x${step}`);
  const { outputs } = resEncUNet(new Scope(fed.graph), x.value, networkConfig(network.architecture));
  const weights = (c.attributes.deep_supervision_weights ?? [1]) as number[];
  if (weights.length !== outputs.length) {
    throw new Error(`${weights.length} weights for ${outputs.length} outputs`);
  }
  const stepInputs = [x];
  const losses = outputs.flatMap((logits, i): Value[] => {
    if (weights[i] === 0) return [];
    const labels = stepInput(c, fed, `target ${i}`, (step) => `target${step}_${i}`);
    stepInputs.push(labels);
    return [
      fed.graph.apply(diceCe, [logits, labels.value], {
        batchDice: c.attributes.batch_dice === true,
        doBackground: c.attributes.do_bg === true,
        smooth: Number(c.attributes.smooth),
        diceWeight: weights[i],
        ceWeight: weights[i],
        ignoreLabel: null,
      })[0],
    ];
  });
  return { loss: losses.reduce((a, b) => fed.graph.apply(add, [a, b], {})[0]), stepInputs, decayOnly: [] };
}

/** A row of layers, described as `0 Conv3d(1,6,k3,p1); 1 InstanceNorm3d(6); 2 LeakyReLU(0.01); ...`. */
function sequentialTask(group: GoldenGroup, c: GoldenCase, fed: FedGraph): Task {
  const network = namedNetwork<RecordedState & { layers: string }>(group, c);
  const x = stepInput(c, fed, "x", (step) => `x${step}`);
  const y = stepInput(c, fed, "y", (step) => `y${step}`);
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
        const attrs = { eps: 1e-5, affine: true, residual: false, masked: false, slope: 1 };
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

function optimizerOf({ attributes }: GoldenCase): RunConfig["optimizer"] {
  const weightDecay = Number(attributes.weight_decay);
  const lr = Number(attributes.lr0 ?? attributes.lr);
  if (attributes.optimizer === "SGD") {
    return {
      kind: "sgd",
      lr,
      momentum: Number(attributes.momentum),
      nesterov: attributes.nesterov === true,
      weightDecay,
    };
  }
  if (attributes.optimizer !== "AdamW" || attributes.amsgrad) {
    throw new Error(`unknown optimizer ${attributes.optimizer}`);
  }
  const [beta1, beta2] = attributes.betas as number[];
  return { kind: "adamw", lr, beta1, beta2, eps: Number(attributes.eps), weightDecay };
}

function learningRate({ attributes }: GoldenCase, step: number): number {
  if (attributes.lr !== undefined) return Number(attributes.lr);
  return polyLr(
    step,
    Number(attributes.poly_max_steps),
    Number(attributes.lr0),
    Number(attributes.poly_exponent),
  );
}

/** Runs all steps on the GPU: forward, backward, accumulation; then clipping and update. */
async function train(
  group: GoldenGroup,
  check: Checker,
  c: GoldenCase,
  fed: FedGraph,
  task: Task,
): Promise<void> {
  const { graph } = fed;
  const state = namedNetwork<RecordedState>(group, c);
  const optimizer = optimizerOf(c);
  const parameters = loadState(group, state, fed);
  const scalars = graph.input("scalars", tensor([STEP_SCALARS]));
  const one = fed.input("gradient of the loss", { shape: [1], data: Float32Array.of(1) });
  const trained = graph.parameters;
  const nodes = addOptimizer(graph, trained, {
    optimizer,
    clipNorm: c.attributes.clip === null ? null : Number(c.attributes.clip),
    gradients: fed.gradients([task.loss], [one], trained),
    decayOnly: task.decayOnly,
    share: 1,
    scalars,
  });
  graph.output("loss", task.loss);
  graph.output("clip", nodes.clip);
  const gpu = await testGpu();
  const phases = { micro: [task.loss, ...nodes.accumulated], update: [nodes.clip, ...nodes.updated] };
  const plan = compile(graph, { device: gpu.facts, phases });
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan);
  for (const [value, data] of fed.feeds) if (plan.named[value.name]) executor.write(value.name, data);
  const trace = c.trace as unknown as Trace;
  const steps = Number(c.attributes.steps);
  for (let step = 0; step < steps; step++) {
    const lr = learningRate(c, step);
    if (trace.lr) {
      check.closeNumber(c.id, `learning rate ${step}`, lr, trace.lr[step], { atol: 0, rtol: 1e-12 });
    }
    for (const { value, recordedAs } of task.stepInputs) {
      executor.write(value.name, recorded(group, c.inputs[recordedAs(step)]).data);
    }
    executor.write("scalars", stepScalars(optimizer, lr, step, 0));
    executor.clearAccumulators();
    executor.run("micro");
    executor.run("update");
    const [[loss], [norm]] = await readTogether(executor, ["loss", "clip"]);
    check.closeNumber(
      c.id,
      `loss ${step}`,
      loss,
      trace.loss_f64[step],
      drift(trace.loss_f32, trace.loss_f64),
    );
    check.closeNumber(
      c.id,
      `norm ${step}`,
      norm,
      trace.grad_norm_f64[step],
      drift(trace.grad_norm_f32, trace.grad_norm_f64),
    );
  }
  const read = await readTogether(executor, [...parameters.values()].map((parameter) => parameter.name));
  const finals = new Map([...parameters.keys()].map((name, i) => [name, read[i]]));
  checkFinals(group, check, c, state, finals);
}

/** Allowed difference of a trace: 20 times the largest that float32 made in the reference, as for recorded weights, and 1e-5. */
function drift(f32: readonly number[], f64: readonly number[]): { atol: number; rtol: number } {
  return {
    atol: 0,
    rtol: 1e-5 + 20 * Math.max(...f32.map((v, i) => Math.abs(v - f64[i]) / Math.abs(f64[i]))),
  };
}

/** Final weights under their tolerance; `unchanged` ones still have their first value exactly. */
function checkFinals(
  group: GoldenGroup,
  check: Checker,
  c: GoldenCase,
  state: RecordedState,
  finals: ReadonlyMap<string, Float32Array>,
): void {
  const unchanged = new Set((c.unchanged ?? []) as string[]);
  for (const [name, values] of finals) {
    const ref = c.outputs[`final:${name}`];
    if (unchanged.has(name)) {
      check.closeValues(c.id, `unchanged ${name}`, values, recordedStart(group, state, name).data);
    } else if (ref) check.close(c.id, `final:${name}`, values, ref);
    else check.miss(c.id, `final:${name}`, "nothing is recorded for this parameter");
  }
  for (const name of Object.keys(c.outputs).map((key) => key.replace(/^final:/, ""))) {
    if (!finals.has(name)) check.miss(c.id, `final:${name}`, "the network has no such parameter");
  }
}
