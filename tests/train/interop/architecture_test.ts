import assert from "node:assert/strict";
import type { Dims3 } from "../../../kernels/spec.ts";
import { ConfigError, isotropic, type NetworkConfig, networkPreset } from "../../../model/config.ts";
import {
  ArchitectureError,
  architectureFromShapes,
  sameArchitecture,
} from "../../../train/interop/architecture.ts";
import { modelParameters } from "../../../train/interop/parameters.ts";
import { noise } from "../../support/ops.ts";

/** Shapes of a network's tensors, some changed or left out. */
function shapesOf(
  network: NetworkConfig,
  keep: (name: string) => boolean = () => true,
): Map<string, readonly number[]> {
  const kept = modelParameters("network", network).filter(({ name }) => keep(name));
  return new Map(kept.map(({ name, shape }) => [name, shape]));
}

const flat: Dims3 = [1, 3, 3];
const thick: Dims3 = [1, 2, 2];
const anisotropic: Partial<NetworkConfig> = {
  kernels: [flat, [3, 3, 3], [3, 3, 3]],
  strides: [[1, 1, 1], thick, [2, 2, 2]],
};

Deno.test("architectureFromShapes() finds every network again that shapes describe", () => {
  const networks: NetworkConfig[] = [
    networkPreset("resenc-l"),
    networkPreset("plain"),
    networkPreset("depth-m"),
    networkPreset("resenc-l-noskip"),
    isotropic({
      features: [4, 6, 6],
      blocks: [1, 3, 2],
      inputChannels: 3,
      outputChannels: 5,
      ...anisotropic,
    }),
    isotropic({
      encoder: "plain",
      features: [4, 6, 10],
      blocks: [2, 1, 3],
      decoderConvs: [2, 1],
      inputChannels: 2,
      ...anisotropic,
    }),
  ];
  for (const network of networks) {
    const { network: found, assumptions, stridesKnown } = architectureFromShapes(shapesOf(network));
    assert.deepEqual(found, network);
    assert.deepEqual([assumptions, stridesKnown], [[], true]);
    assert.ok(sameArchitecture(found, network));
  }
});

Deno.test("architectureFromShapes() says what an encoder alone does not tell", () => {
  const network = isotropic({ features: [4, 6, 6], blocks: [1, 3, 2], ...anisotropic });
  const { network: found, assumptions, stridesKnown } = architectureFromShapes(
    shapesOf(network, (name) => name.startsWith("encoder.")),
  );
  assert.deepEqual(assumptions, ["strides of 2 along every axis between stages", "one output channel"]);
  assert.equal(stridesKnown, false);
  assert.deepEqual(found, { ...network, strides: [[1, 1, 1], [2, 2, 2], [2, 2, 2]] });
  assert.ok(!sameArchitecture(found, network), "strides count");
});

Deno.test("architectureFromShapes() refuses other networks by name", () => {
  const network = isotropic({ features: [4, 6], blocks: [1, 1] });
  const changed = (name: string, shape: readonly number[]) => new Map([...shapesOf(network), [name, shape]]);
  const cases: [ReadonlyMap<string, readonly number[]>, RegExp][] = [
    [new Map(), /^found no encoder\..*, but nothing, wanted an encoder: use a checkpoint of /],
    [new Map([["mask_tokens.0", [1, 4, 1, 1, 1]]]), /^found no encoder\..*, but mask_tokens\.0, wanted/],
    [changed("encoder.stages.0.blocks.0.conv1.conv.weight", [4, 4, 3, 3]), /as \[4,4,3,3\], wanted the five/],
    [changed("encoder.stages.0.blocks.0.conv3.conv.weight", [4, 4, 1, 1, 1]), /of a bottleneck block/],
    [changed("encoder.stem.convs.0.norm.running_mean", [4]), /running_mean, of a batch norm/],
  ];
  for (const [shapes, message] of cases) {
    assert.throws(() => architectureFromShapes(shapes), (error: Error) => {
      assert.ok(error instanceof ArchitectureError);
      assert.match(error.message, message);
      return true;
    });
  }
  const broken = changed("encoder.stem.convs.0.conv.weight", []);
  assert.throws(
    () => architectureFromShapes(broken),
    /inputChannels is undefined, wanted a positive integer/,
  );
});

Deno.test("architectureFromShapes() answers any shapes with a network that can be built, or a refusal", () => {
  const network = isotropic({ features: [4, 6, 6], blocks: [1, 2, 1], ...anisotropic });
  const whole = [...shapesOf(network)];
  const chance = noise(40_000, 7);
  let next = 0;
  const draw = (below: number) => Math.floor(Math.abs(chance[next++]) * 1e4) % below;
  const wild = [0, 1, 2, 3, 7, 1e9, 2 ** 53, -1, 0.5];
  let built = 0;
  for (let round = 0; round < 500; round++) {
    const shapes = new Map(whole);
    for (let i = draw(3); i >= 0; i--) {
      const [name, shape] = whole[draw(whole.length)];
      const at = draw(shape.length);
      if (draw(3) === 0) shapes.delete(name);
      else if (draw(4) === 0) shapes.set(name, shape.slice(0, at));
      else shapes.set(name, shape.with(at, wild[draw(wild.length)]));
    }
    try {
      const { network: found } = architectureFromShapes(shapes);
      assert.ok(modelParameters("s3d", found).length > 0);
      built++;
    } catch (error) {
      assert.ok(
        error instanceof ArchitectureError || error instanceof ConfigError,
        `round ${round}: ${error}`,
      );
    }
  }
  assert.ok(built > 50 && built < 450, `${built} were built`);
});
