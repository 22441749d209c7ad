import assert from "node:assert/strict";
import { PlanError } from "../../kernels/errors.ts";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { tensor } from "../../kernels/spec.ts";

const refuses = (run: () => void, message: string) =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof PlanError);
    assert.equal(error.message, message);
    return true;
  });

Deno.test("Graph refuses a second tensor of one name", () => {
  const graph = new Graph();
  graph.input("x", tensor([4]));
  const message = "Cannot declare x twice: a graph's input, parameter and state names are unique";
  refuses(() => graph.input("x", tensor([4])), message);
  refuses(() => graph.parameter("x", tensor([4]), { kind: "zeros" }), message);
  refuses(() => graph.state("x", tensor([4])), message);
  refuses(() => graph.accumulator("x", tensor([4])), message);
});

Deno.test("Graph refuses outputs that share a name with an output or a declared tensor", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([4]));
  const [y] = graph.apply(add, [x, x], {});
  graph.output("y", y);
  refuses(() => graph.output("y", x), "Cannot name two outputs y");
  refuses(() => graph.output("x", y), "Cannot name an output x: the graph has a tensor (input) of that name");
  refuses(
    () => graph.state("y", tensor([4])),
    "Cannot declare state y: the graph has an output of that name",
  );
  graph.output("x", x); // an input may be read back under its own name
});

Deno.test("Graph.pack() refuses what cannot lie in one buffer", () => {
  const graph = new Graph();
  const [a, b] = [graph.state("a", tensor([4])), graph.state("b", tensor([4]))];
  const weights = graph.parameter("weights", tensor([4]), { kind: "zeros" });
  const half = graph.state("half", tensor([4], "f16"));
  const [made] = graph.apply(add, [a, b], {});
  refuses(() => graph.pack("none", []), "Cannot pack none: no members");
  refuses(() => graph.pack("p", [a, weights]), "Cannot pack weights into p: wanted a persistent f32 state");
  refuses(() => graph.pack("p", [a, half]), "Cannot pack half into p: wanted a persistent f32 state");
  refuses(() => graph.pack("p", [made]), "Cannot pack add#0 into p: wanted a persistent f32 node");
  graph.pack("p", [a]);
  refuses(() => graph.pack("q", [b, a]), "Cannot pack a into q: it is packed already");
});

Deno.test("Graph.find() returns declared tensors and names a missing one", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([4]));
  assert.equal(graph.find("x"), x);
  refuses(() => graph.find("z"), "Cannot find z: the graph declares no such input, parameter or state");
});

Deno.test("Scope joins names with dots and puts nodes below its path", () => {
  const graph = new Graph();
  const scope = new Scope(graph).at("encoder").at("stages.0");
  const weight = scope.parameter("weight", [4], { kind: "ones" });
  assert.equal(weight.name, "encoder.stages.0.weight");
  assert.deepEqual(graph.parameters, [weight]);
  assert.equal(scope.apply(leakyRelu, [weight], { slope: 0.1 }).name, "encoder.stages.0/leakyRelu#0");
  assert.equal(new Scope(graph).apply(leakyRelu, [weight], { slope: 0.1 }).name, "leakyRelu#1");
});

Deno.test("differentiate() refuses operations without a gradient rule", () => {
  const graph = new Graph();
  const x = graph.parameter("x", tensor([4]), { kind: "ones" });
  const [s] = graph.within("norm", () => graph.apply(sumSquares, [x], {}));
  const seed = graph.input("seed", tensor([1]));
  refuses(
    () => differentiate(graph, { seeds: new Map([[s, seed]]), wrt: [x], add }),
    "Cannot differentiate through sumSquares (norm): it has no gradient rule",
  );
});

Deno.test("differentiate() leaves out what the seeded values do not depend on", () => {
  const graph = new Graph();
  const [x, z] = [graph.input("x", tensor([4])), graph.input("z", tensor([4]))];
  const [y] = graph.apply(leakyRelu, [x], { slope: 0.1 });
  const [unused] = graph.apply(leakyRelu, [z], { slope: 0.1 });
  const seed = graph.input("seed", tensor([4]));
  const before = graph.nodes.length;
  const gradients = differentiate(graph, { seeds: new Map([[y, seed]]), wrt: [x, z, unused], add });
  assert.deepEqual([...gradients.keys()], [x]);
  assert.equal(graph.nodes.length, before + 1, "only the rule of the used operation was applied");
  assert.equal(graph.nodes.at(-1)!.scope, "leakyRelu.backward");
});

Deno.test("differentiate() adds the gradients of a value that is used several times", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([3]));
  const [y] = graph.apply(add, [x, x], {});
  const [z] = graph.apply(add, [y, x], {}); // z = 3 x
  const seed = graph.input("seed", tensor([3]));
  const dx = differentiate(graph, { seeds: new Map([[z, seed]]), wrt: [x], add }).get(x)!;
  const feeds = new Map([[x, Float64Array.of(1, 2, 3)], [seed, Float64Array.of(1, 10, 100)]]);
  assert.deepEqual([...interpret(graph, feeds, [dx]).get(dx)!], [3, 30, 300]);
});

Deno.test("interpret() names the tensor that was not fed", () => {
  const graph = new Graph();
  const [x, y] = [graph.input("x", tensor([1])), graph.input("y", tensor([1]))];
  const [sum] = graph.apply(add, [x, y], {});
  const feeds = new Map([[x, Float64Array.of(1)]]);
  refuses(() => void interpret(graph, feeds, [sum]), "Cannot interpret add: y has no contents; feed it");
  refuses(
    () => void interpret(graph, feeds, [y]),
    "Cannot interpret the graph: target y has no contents; feed it",
  );
});
