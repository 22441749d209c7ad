/**
 * Third-party libraries that are timed beside ours. They are named here and loaded by {@link loadPeer} only when the script
 * runs: no other module, test or type check downloads them.
 */

/** Pinned npm specifiers of what each library is loaded from, in the order of loading. */
export const PEER_PACKAGES = {
  "jax-js": ["npm:@jax-js/jax@0.1.25"],
  "tfjs": [
    "npm:@tensorflow/tfjs-core@4.22.0",
    "npm:@tensorflow/tfjs-backend-webgpu@4.22.0",
  ],
} as const;

/** A library that is compared with ours. */
export type PeerName = keyof typeof PEER_PACKAGES;

/** A library that cannot be loaded, or does not run on the adapter that is measured. */
export class PeerError extends Error {
  override name = "PeerError";
  constructor(
    message: string,
    readonly peer: PeerName,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Version of a library, as pinned. */
export function peerVersion(name: PeerName): string {
  return PEER_PACKAGES[name][0].split("@").at(-1)!;
}

/** Not a literal, so that only this call fetches a package. */
const importModule = (specifier: string): Promise<unknown> => import(specifier);

/**
 * Loads the packages of a library.
 *
 * @returns the first package's exports
 * @throws {PeerError} naming the package that is missing
 */
export async function loadPeer<Module>(name: PeerName, load = importModule): Promise<Module> {
  const loaded: Module[] = [];
  for (const specifier of PEER_PACKAGES[name]) {
    try {
      loaded.push(await load(specifier) as Module);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
      throw new PeerError(
        `Cannot load ${specifier}: ${reason}: connect to the npm registry once, or leave it out with --peers`,
        name,
        { cause },
      );
    }
  }
  return loaded[0];
}

/** The part of jax-js that is used. Functions consume their arguments; `ref` is one more use of an array. */
export interface JaxModule {
  init(device: "webgpu"): Promise<readonly string[]>;
  defaultDevice(device: "webgpu"): unknown;
  blockUntilReady(arrays: readonly JaxArray[]): Promise<unknown>;
  jit<F extends (...args: JaxArray[]) => JaxArray>(f: F): F;
  vjp(
    f: (x: JaxArray) => JaxArray,
    primals: readonly JaxArray[],
  ): [JaxArray, (cotangent: JaxArray) => readonly JaxArray[]];
  readonly numpy: { array(data: Float32Array): JaxArray };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      w: JaxArray,
      strides: readonly number[],
      padding: "SAME",
    ): JaxArray;
  };
}

/** An array of jax-js. */
export interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}

/** The part of tfjs-core that is used. */
export interface TfModule {
  setBackend(name: "webgpu"): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  conv3d(x: TfTensor, filter: TfTensor, strides: number, pad: "same"): TfTensor;
  slice(
    x: TfTensor,
    begin: readonly number[],
    size: readonly number[],
  ): TfTensor;
  getKernel(name: string, backend: "webgpu"): unknown;
  engine(): {
    runKernel(
      name: string,
      inputs: Readonly<Record<string, TfTensor>>,
      attrs: Readonly<Record<string, unknown>>,
    ): TfTensor;
  };
}

/** A tensor of tfjs, channels last. */
export interface TfTensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}
