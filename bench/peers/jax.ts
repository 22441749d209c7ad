/** jax-js for the comparison: jitted `lax.convGeneralDilated` and its vector-Jacobian products. */
import { type ConvLibrary, type ConvOp, runsWithin, TAPS } from "./conv_library.ts";
import { type JaxArray, type JaxModule, loadPeer, PeerError, peerVersion } from "./deps.ts";

/**
 * Loads jax-js and opens its WebGPU device. Each gradient is a jitted `vjp` with respect to one argument; tracing drops the
 * forward convolution, which a linear operation does not need, so the gradients are timed separately.
 *
 * @throws {PeerError} when the package is missing or finds no device
 */
export async function jaxLibrary(): Promise<ConvLibrary> {
  const jax = await loadPeer<JaxModule>("jax-js");
  if (!(await jax.init("webgpu")).includes("webgpu")) {
    throw new PeerError(
      "Cannot run jax-js: it found no WebGPU device",
      "jax-js",
    );
  }
  jax.defaultDevice("webgpu");
  const conv = (x: JaxArray, w: JaxArray) => jax.lax.convGeneralDilated(x, w, [1, 1, 1], "SAME");
  const gradient = (
    f: (at: JaxArray) => JaxArray,
    at: JaxArray,
    dy: JaxArray,
  ) => {
    const [y, pullBack] = jax.vjp(f, [at]);
    y.dispose();
    return pullBack(dy)[0];
  };
  return {
    name: "jax-js",
    version: peerVersion("jax-js"),
    async prepare({ from, to, edge }, data) {
      const upload = (values: Float32Array, shape: readonly number[]) =>
        jax.numpy.array(values).reshape(shape);
      const x = upload(data.x, [1, from, edge, edge, edge]);
      const w = upload(data.w, [to, from, 3, 3, 3]);
      const dy = upload(data.dy, [1, to, edge, edge, edge]);
      await jax.blockUntilReady([x, w, dy]);
      const op = (
        f: (...args: JaxArray[]) => JaxArray,
        args: readonly JaxArray[],
        numbers: number,
      ): ConvOp => {
        const compiled = jax.jit(f);
        const call = () => compiled(...args.map((array) => array.ref));
        return {
          mostRuns: runsWithin(numbers),
          async run(count) {
            const results = Array.from({ length: count }, call);
            await jax.blockUntilReady(results);
            for (const result of results) result.dispose();
          },
          result: () => call().data(),
        };
      };
      const voxels = edge ** 3;
      return {
        forward: op(conv, [x, w], to * voxels),
        inputGradient: op(
          (x, w, dy) => gradient((at) => conv(at, w), x, dy),
          [x, w, dy],
          from * voxels,
        ),
        weightGradient: op(
          (x, w, dy) => gradient((at) => conv(x, at), w, dy),
          [x, w, dy],
          to * from * TAPS,
        ),
        [Symbol.dispose]() {
          for (const array of [x, w, dy]) array.dispose();
        },
      };
    },
    [Symbol.dispose]() {}, // jax-js keeps its device
  };
}
