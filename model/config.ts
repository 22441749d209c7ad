/** Network configurations as data: the residual-encoder U-Net family and its presets. */
import type { Dims3 } from "../kernels/spec.ts";

/** How weights start: PyTorch's defaults (pre-training) or He-normal with silent residual branches (nnU-Net). */
export type InitScheme = "pytorch" | "he";

/** Shape of a U-Net. Stage 0 has the finest resolution. */
export interface NetworkConfig {
  /** `residual`: stem and BasicBlockD blocks; `plain`: conv-norm-LeakyReLU blocks without stem (nnU-Net's PlainConvUNet). */
  readonly encoder: "residual" | "plain";
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly features: readonly number[];
  readonly kernels: readonly Dims3[];
  /** Stride of the first block of each stage. */
  readonly strides: readonly Dims3[];
  readonly blocks: readonly number[];
  /** Conv blocks of each decoder stage, lowest resolution first. */
  readonly decoderConvs: readonly number[];
  readonly deepSupervision: boolean;
  /** Without skips the decoder sees only the bottleneck (PCRLv2). */
  readonly skips: boolean;
  readonly init: InitScheme;
  /** Start the heads at zero, so that the first output is zero: the mean of z-scored targets. The reference does not. */
  readonly zeroHead: boolean;
}

/** Constants of every preset. Source: dynamic-network-architectures defaults as used by nnU-Net and nnssl. */
export const NORM_EPS = 1e-5;
/** Negative slope of every LeakyReLU. */
export const SLOPE = 0.01;

/** What distinguishes one isotropic preset from another. */
export interface IsotropicOptions extends Partial<Omit<NetworkConfig, "features" | "blocks">> {
  readonly features: readonly number[];
  readonly blocks: readonly number[];
}

/** A configuration with 3x3x3 kernels and stride 2 between stages, one decoder block a stage, 1 in and 1 out channel. */
export function isotropic(options: IsotropicOptions): NetworkConfig {
  const stages = options.features.length;
  return {
    encoder: "residual",
    inputChannels: 1,
    outputChannels: 1,
    kernels: Array.from({ length: stages }, (): Dims3 => [3, 3, 3]),
    strides: Array.from({ length: stages }, (_, i): Dims3 => i === 0 ? [1, 1, 1] : [2, 2, 2]),
    decoderConvs: new Array(stages - 1).fill(1),
    deepSupervision: false,
    skips: true,
    init: "pytorch",
    zeroHead: false,
    ...options,
  };
}

/** Widths of the reference's size ablation. */
const WIDTHS = {
  B: [32, 64, 128, 256, 320, 320],
  M: [48, 96, 192, 384, 480, 480],
  L: [64, 128, 256, 512, 640, 640],
} as const;
/** Depths of the reference's size ablation. */
const DEPTHS = { B: [1, 3, 4, 6, 6, 6], M: [1, 4, 6, 8, 8, 8], L: [2, 5, 6, 10, 10, 12] } as const;

/**
 * Named networks. ResEnc-M, -L and -XL share widths and depths: they differ in the patch and batch that a planner may use.
 * `width-*` and `depth-*` are the size ablations of nnssl; `tiny` serves tests, `demo` the demo runs.
 */
export const NETWORK_PRESETS: Readonly<Record<string, NetworkConfig>> = {
  "resenc-l": isotropic({ features: WIDTHS.B, blocks: DEPTHS.B }),
  "resenc-m": isotropic({ features: WIDTHS.B, blocks: DEPTHS.B }),
  "resenc-xl": isotropic({ features: WIDTHS.B, blocks: DEPTHS.B }),
  "resenc-l-noskip": isotropic({ features: WIDTHS.B, blocks: DEPTHS.B, skips: false }),
  "plain": isotropic({
    encoder: "plain",
    features: WIDTHS.B,
    blocks: [2, 2, 2, 2, 2, 2],
    decoderConvs: [2, 2, 2, 2, 2],
  }),
  "width-m": isotropic({ features: WIDTHS.M, blocks: DEPTHS.B }),
  "width-l": isotropic({ features: WIDTHS.L, blocks: DEPTHS.B }),
  "depth-m": isotropic({ features: WIDTHS.B, blocks: DEPTHS.M }),
  "depth-l": isotropic({ features: WIDTHS.B, blocks: DEPTHS.L }),
  "tiny": isotropic({ features: [4, 8, 12], blocks: [1, 1, 1] }),
  "demo": isotropic({ features: [4, 8, 16, 32], blocks: [1, 1, 1, 1] }),
};

/** A configuration that cannot be built; `path` names the offending field. */
export class ConfigError extends Error {
  override name = "ConfigError";
  constructor(message: string, readonly path: string) {
    super(message);
  }
}

/**
 * A preset by name, with some fields replaced.
 * @throws {ConfigError} when the name is unknown
 */
export function networkPreset(name: string, changes: Partial<NetworkConfig> = {}): NetworkConfig {
  const preset = NETWORK_PRESETS[name];
  if (!preset) {
    throw new ConfigError(
      `Cannot find network preset ${name}: choose one of ${Object.keys(NETWORK_PRESETS).join(", ")}`,
      "network.preset",
    );
  }
  const config = changes.features
    ? isotropic({ ...preset, ...sized(preset, changes.features.length), ...changes } as IsotropicOptions)
    : {
      ...preset,
      ...changes,
    };
  validateNetwork(config);
  return config;
}

/** Per-stage lists of another length than the preset's: shortened, or continued with the last entry. */
function sized(preset: NetworkConfig, stages: number) {
  const fit = <T>(list: readonly T[], length: number) =>
    Array.from({ length }, (_, i) => list[Math.min(i, list.length - 1)]);
  return {
    kernels: fit(preset.kernels, stages),
    strides: fit(preset.strides, stages),
    blocks: fit(preset.blocks, stages),
    decoderConvs: fit(preset.decoderConvs, stages - 1),
  };
}

/** Checks lengths and values. @throws {ConfigError} with the path of the wrong field */
export function validateNetwork(config: NetworkConfig): void {
  const stages = config.features.length;
  const fail = (path: string, found: unknown, wanted: string): never => {
    throw new ConfigError(
      `Cannot build the network: ${path} is ${JSON.stringify(found)}, wanted ${wanted}`,
      path,
    );
  };
  if (stages < 2) fail("network.features", config.features, "at least 2 stages");
  const lengths: [string, readonly unknown[], number][] = [
    ["network.kernels", config.kernels, stages],
    ["network.strides", config.strides, stages],
    ["network.blocks", config.blocks, stages],
    ["network.decoderConvs", config.decoderConvs, stages - 1],
  ];
  for (const [path, list, length] of lengths) {
    if (list.length !== length) fail(path, list, `${length} entries`);
  }
  const positive = (n: number) => Number.isInteger(n) && n >= 1;
  if (!config.features.every(positive)) fail("network.features", config.features, "positive integers");
  if (!config.blocks.every(positive)) fail("network.blocks", config.blocks, "positive integers");
  if (!config.decoderConvs.every(positive)) {
    fail("network.decoderConvs", config.decoderConvs, "positive integers");
  }
  if (!positive(config.inputChannels)) {
    fail("network.inputChannels", config.inputChannels, "a positive integer");
  }
  if (!positive(config.outputChannels)) {
    fail("network.outputChannels", config.outputChannels, "a positive integer");
  }
  config.kernels.forEach((k, i) => {
    if (!k.every((n) => positive(n) && n % 2 === 1)) fail(`network.kernels[${i}]`, k, "odd extents");
  });
  config.strides.forEach((s, i) => {
    if (!s.every((n) => n === 1 || n === 2)) fail(`network.strides[${i}]`, s, "1 or 2 per axis");
  });
}

/** Product of the strides down to each stage: the size of stage k is `patch / downsampling[k]`. */
export function downsampling(config: NetworkConfig): readonly Dims3[] {
  let factor: Dims3 = [1, 1, 1];
  return config.strides.map((s) => factor = [factor[0] * s[0], factor[1] * s[1], factor[2] * s[2]]);
}

/** Requires every axis of a patch to be a multiple of the coarsest downsampling. @throws {ConfigError} */
export function checkPatch(config: NetworkConfig, patch: Dims3): void {
  const factor = downsampling(config).at(-1)!;
  patch.forEach((extent, axis) => {
    if (!Number.isInteger(extent) || extent < factor[axis] || extent % factor[axis] !== 0) {
      throw new ConfigError(
        `Cannot use patch ${patch.join("x")}: axis ${axis} is ${extent}, wanted a multiple of ${
          factor[axis]
        } for ${config.features.length} stages`,
        `patch[${axis}]`,
      );
    }
  });
}
