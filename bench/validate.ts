/** Compares a case on the device with the float64 references, before anything is timed. */
import { interpret } from "../kernels/graph/interpret.ts";
import { compile } from "../kernels/graph/plan.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { type BenchCase, buildCase } from "./case.ts";

/** A kernel that computes something else than its reference. */
export class ValidationError extends Error {
  override name = "ValidationError";
}

/** Largest difference that is accepted, as a share of the largest value of the tensor. */
const TOLERANCE = 1e-4;

/**
 * Runs a small case in poison mode and compares every output and gradient.
 *
 * @returns the worst difference as a share of the tensor's largest value
 * @throws {ValidationError} naming operation, tensor, element and both values
 */
export async function validateCase(gpu: Gpu, benchCase: BenchCase): Promise<number> {
  const { graph, targets, feeds } = buildCase(benchCase);
  const narrow = new Set(graph.nodes.flatMap((n) => n.outputs).filter((v) => v.spec.dtype !== "f32"));
  const checked = targets.filter((v) => !narrow.has(v));
  checked.forEach((value, i) => graph.output(`target${i}`, value));
  const plan = compile(graph, { device: gpu.facts, phases: { run: targets } });
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan, { poison: true });
  const inputs = new Map([...feeds].map(([value, data]) => [value, data()]));
  for (const [value, data] of inputs) executor.write(value.name, data);
  executor.run("run");
  const wanted = interpret(
    graph,
    new Map([...inputs].map(([v, data]) => [v, Float64Array.from(data)])),
    checked,
  );
  const accepted = narrow.size > 0 ? 2 ** -10 : TOLERANCE; // through 16-bit floats
  let worst = 0;
  for (const [i, value] of checked.entries()) {
    const found = await executor.read(`target${i}`);
    const reference = wanted.get(value)!;
    const size = reference.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
    for (let k = 0; k < reference.length; k++) {
      const share = Math.abs(found[k] - reference[k]) / size;
      if (!(share <= accepted)) {
        throw new ValidationError(
          `${benchCase.op.name} ${benchCase.shape}: ${value.name}[${k}] is ${found[k]}, the reference gives ${
            reference[k]
          }`,
        );
      }
      worst = Math.max(worst, share);
    }
  }
  return worst;
}
