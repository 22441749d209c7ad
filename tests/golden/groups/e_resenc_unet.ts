/** Residual-encoder U-Nets: outputs, loss and the gradient of every parameter against recorded values. */
import { Scope, type Value } from "../../../kernels/graph/graph.ts";
import { add } from "../../../kernels/ops/add/op.ts";
import { reconstructionError } from "../../../kernels/ops/loss/op.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { eachCase, FedGraph, recorded } from "../gpu.ts";
import { checkGradients, checkState, loadState, networkConfig, type RecordedState } from "../network.ts";
import { type Checker, type GoldenGroup, hashFill } from "../support.ts";

/** Compares every recorded network; the loss is the sum over outputs of the mean squared error to a generated target. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (c) => {
    if (c.op !== "residual_encoder_unet") throw new Error(`unknown op ${c.op}`);
    const state = c.state as RecordedState;
    const fed = new FedGraph();
    const { graph } = fed;
    const x = fed.input("x", recorded(group, c.inputs.x));
    const config = networkConfig(c.attributes.architecture as Record<string, unknown>);
    const { outputs } = resEncUNet(new Scope(graph), x, config);
    const parameters = loadState(group, state, fed);
    checkState(check, c.id, state, graph.parameters, c.attributes.n_unique_parameters);
    const seeds = c.attributes.target_seeds as number[];
    check.equal(c.id, "number of outputs", outputs.length, seeds.length);
    const losses = outputs.map((output, i): Value => {
      const { shape } = output.spec;
      const target = fed.input(`target ${i}`, { shape, data: new Float32Array(hashFill(shape, seeds[i])) });
      return graph.apply(reconstructionError, [output, target], { power: 2, region: "all" })[0];
    });
    const loss = losses.reduce((a, b) => graph.apply(add, [a, b], {})[0]);
    const one = fed.input("one", { shape: [1], data: Float32Array.of(1) });
    const gradients = fed.gradients([loss], [one], graph.parameters);
    const found = await fed.evaluate(
      new Map<string, Value>([
        ["loss", loss],
        ...outputs.map((v, i): [string, Value] => [`out${i}`, v]),
        ...[...gradients].map(([p, g]): [string, Value] => [p.name, g]),
      ]),
    );
    for (const [name, ref] of Object.entries(c.outputs)) {
      if (name.startsWith("grad:")) continue;
      const values = found.get(name);
      if (values) check.close(c.id, name, values, ref);
      else check.miss(c.id, name, "nothing computes this output");
    }
    check.closeNumber(c.id, "loss in float64", found.get("loss")![0], c.loss_f64, c.outputs.loss.tolerance);
    checkGradients(check, c, parameters, new Map([...gradients.keys()].map((p) => [p, found.get(p.name)!])));
  });
}
