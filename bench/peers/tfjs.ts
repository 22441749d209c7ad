/** tfjs on its WebGPU backend for the comparison, channels last as it wants them. */
import { type ConvLibrary, type ConvOp, TAPS, transpose } from "./conv_library.ts";
import { loadPeer, PeerError, peerVersion, type TfModule, type TfTensor } from "./deps.ts";

/** Results are freed at once and their buffers used again. */
const MOST_RUNS = 256;

/**
 * Loads tfjs-core with its WebGPU backend. The gradients are the kernels `Conv3DBackpropInputV2` and
 * `Conv3DBackpropFilterV2`, called directly: what `tf.grad` of `conv3d` would call.
 *
 * @throws {PeerError} when a package is missing or the backend does not start
 */
export async function tfjsLibrary(): Promise<ConvLibrary> {
  const tf = await loadPeer<TfModule>("tfjs");
  if (!await tf.setBackend("webgpu")) {
    throw new PeerError(
      "Cannot run tfjs: its webgpu backend did not start",
      "tfjs",
    );
  }
  await tf.ready();
  return {
    name: "tfjs",
    version: peerVersion("tfjs"),
    prepare({ from, to, edge }, data) {
      const voxels = edge ** 3;
      const lastly = (values: Float32Array, channels: number) =>
        tf.tensor(transpose(values, channels, voxels), [
          1,
          edge,
          edge,
          edge,
          channels,
        ]);
      const x = lastly(data.x, from);
      const dy = lastly(data.dy, to);
      const filter = tf.tensor(permuteFilter(data.w, [to, from, TAPS]), [
        3,
        3,
        3,
        from,
        to,
      ]);
      const kernel = (
        name: string,
        inputs: Readonly<Record<string, TfTensor>>,
        attrs: Readonly<Record<string, unknown>>,
        order: (values: Float32Array) => Float32Array,
      ): ConvOp | string =>
        tf.getKernel(name, "webgpu")
          ? convOp(
            tf,
            () =>
              tf.engine().runKernel(name, inputs, {
                pad: "same",
                strides: [1, 1, 1],
                ...attrs,
              }),
            order,
          )
          : `not offered: the webgpu backend has no kernel ${name}`;
      return Promise.resolve({
        forward: convOp(
          tf,
          () => tf.conv3d(x, filter, 1, "same"),
          (y) => transpose(y, voxels, to),
        ),
        inputGradient: kernel(
          "Conv3DBackpropInputV2",
          { dy, filter },
          { inputShape: x.shape },
          (dx) => transpose(dx, voxels, from),
        ),
        weightGradient: kernel(
          "Conv3DBackpropFilterV2",
          { x, dy },
          { filterShape: filter.shape },
          (dw) => permuteFilter(dw, [TAPS, from, to]),
        ),
        [Symbol.dispose]() {
          for (const tensor of [x, dy, filter]) tensor.dispose();
        },
      });
    },
    [Symbol.dispose]() {}, // tfjs keeps its device
  };
}

function convOp(
  tf: TfModule,
  call: () => TfTensor,
  order: (values: Float32Array) => Float32Array,
): ConvOp {
  return {
    mostRuns: MOST_RUNS,
    async run(count) {
      for (let i = 1; i < count; i++) call().dispose();
      const last = call();
      const first = tf.slice(last, [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]);
      await first.data(); // four bytes, read after everything before them
      for (const tensor of [last, first]) tensor.dispose();
    },
    async result() {
      const tensor = call();
      const values = order(await tensor.data());
      tensor.dispose();
      return values;
    },
  };
}

/** Reverses three axes: `[O, I, 27]` to `[27, I, O]` and back. */
function permuteFilter(
  data: Float32Array,
  [a, b, c]: readonly [number, number, number],
): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) {
        turned[(k * b + j) * a + i] = data[(i * b + j) * c + k];
      }
    }
  }
  return turned;
}
