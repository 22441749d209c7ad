/** Optimisation traces: loss and gradient norm of every step and the weights after the last one, against recorded values. */
import { compile } from "../../../kernels/graph/plan.ts";
import { verifyPlan } from "../../../kernels/graph/verify.ts";
import { STEP_SCALARS } from "../../../kernels/ops/optimizer/op.ts";
import { Executor } from "../../../kernels/runtime/executor.ts";
import { tensor } from "../../../kernels/spec.ts";
import type { RunConfig } from "../../../train/config.ts";
import { addOptimizer, stepScalars } from "../../../train/optimizer.ts";
import { polyLr } from "../../../train/schedule.ts";
import type { EncoderLayout } from "../../../model/masking.ts";
import { testGpu } from "../../support/gpu.ts";
import { eachCase, FedGraph, readTogether } from "../gpu.ts";
import { loadState, namedNetwork, recordedStart, type RecordedState } from "../network.ts";
import { buildTask, type Task } from "../training_task.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

interface Trace {
  readonly loss_f32: number[];
  readonly grad_norm_f32: number[];
  readonly loss_f64: number[];
  readonly grad_norm_f64: number[];
  readonly lr?: number[];
}

/** Layouts of the sparse encoder in which its run is repeated. */
export const layouts = ["dense-masked", "blocks"] as const;

/** Runs without a sparse encoder are repeated once. */
export function inLayout({ attributes }: GoldenCase, layout: EncoderLayout): boolean {
  return layout === "dense-masked" || attributes.loss === "SparkLoss";
}

/** Repeats every recorded run with the nodes that training uses. */
export async function run(group: GoldenGroup, check: Checker, layout: EncoderLayout): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op !== "training_trace") throw new Error(`unknown op ${c.op}`);
    const fed = new FedGraph();
    const task = buildTask(group, c, fed, layout);
    await train(group, check, c, fed, task);
  });
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
    for (const { value, contents } of task.stepInputs) executor.write(value.name, contents(step));
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
