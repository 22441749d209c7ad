/** Opens a GPU with every useful limit and feature and turns its failures into errors. */
import { DeviceError } from "../errors.ts";
import type { DeviceFacts } from "../spec.ts";
import { type AdapterChoice, webgpuFor } from "./provider.ts";

export type { AdapterChoice };

/** An open device. Dispose it to free all its memory. */
export interface Gpu extends Disposable {
  readonly device: GPUDevice;
  readonly facts: DeviceFacts;
  /** Pipelines by WGSL text, shared by every executor of this device. */
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
  /** Resolves when the device is lost or reports an error outside any scope; the run must end. */
  readonly failed: Promise<DeviceError>;
}

/** Options of {@link openGpu}. */
export interface OpenGpuOptions {
  readonly adapter?: AdapterChoice;
  /** The WebGPU implementation; the one that offers `adapter` unless given. */
  readonly gpu?: GPU;
}

const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;
const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "timestamp-query", "subgroups"];

/** Names of drivers that compute on the processor, for implementations that do not flag them as fallback adapters. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|microsoft basic render/i;

/** Asks for an adapter. @throws {DeviceError} when there is none, or no WebGPU implementation that could offer it */
export async function requestAdapter(options: OpenGpuOptions = {}): Promise<GPUAdapter> {
  const choice = options.adapter ?? "auto";
  const gpu = options.gpu ?? await webgpuFor(choice);
  const adapter = await gpu.requestAdapter({
    powerPreference: choice === "low" ? "low-power" : choice === "high" ? "high-performance" : undefined,
    forceFallbackAdapter: choice === "software",
  });
  if (!adapter) {
    throw new DeviceError(
      `Cannot open a GPU: WebGPU found no ${
        choice === "auto" ? "" : choice + " "
      }adapter, wanted a Vulkan, Metal or DirectX 12 driver: ` +
        `install your GPU vendor's driver, or software Vulkan (Debian: apt-get install libvulkan1 mesa-vulkan-drivers)`,
      { reason: "no-adapter" },
    );
  }
  return adapter;
}

/** Limits and features of an adapter as plain data. */
export function adapterFacts(adapter: GPUAdapter): DeviceFacts {
  const { limits, info } = adapter;
  return {
    adapter: [info.description || info.device, info.vendor].filter((s) => s && !/^\d+$/.test(s)).join(", ") ||
      "unnamed adapter",
    maxBinding: Math.floor(Math.min(limits.maxStorageBufferBindingSize, 2 ** 32 - 4) / 4) * 4,
    maxBuffer: Math.floor(limits.maxBufferSize / 4) * 4,
    maxStorageBindings: limits.maxStorageBuffersPerShaderStage,
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
    maxGroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    offsetAlignment: limits.minStorageBufferOffsetAlignment,
    f16: adapter.features.has("shader-f16"),
    timestamps: adapter.features.has("timestamp-query"),
    subgroups: adapter.features.has("subgroups"),
    subgroupMinSize: adapter.features.has("subgroups") ? info.subgroupMinSize : 0,
    software: info.isFallbackAdapter || SOFTWARE.test(info.description),
  };
}

/**
 * Opens a device.
 *
 * @throws {DeviceError} when there is no adapter or the driver refuses a device
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const adapter = await requestAdapter(options);
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) requiredLimits[name] = adapter.limits[name];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredLimits,
      requiredFeatures: FEATURES.filter((f) => adapter.features.has(f)),
    });
  } catch (cause) {
    throw new DeviceError(`Cannot open ${adapter.info.description}: the driver refused a device (${cause})`, {
      reason: "refused",
    }, {
      cause,
    });
  }
  let closed = false;
  const failed = new Promise<DeviceError>((resolve) => {
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault?.();
      resolve(
        new DeviceError(`GPU error: ${(event as GPUUncapturedErrorEvent).error.message}`, {
          reason: "uncaptured",
        }),
      );
    });
    device.lost.then((info) => {
      if (!closed) {
        resolve(
          new DeviceError(
            `GPU device was lost (${
              info.reason || "unknown"
            }: ${info.message}): resume from the last checkpoint; ` +
              `if it happens again, use a smaller patch or another adapter`,
            { reason: "lost" },
          ),
        );
      }
    });
  });
  return {
    device,
    facts: adapterFacts(adapter),
    pipelines: new Map(),
    failed,
    [Symbol.dispose]() {
      closed = true;
      device.destroy();
    },
  };
}

/** Runs `build` inside error scopes. @throws {DeviceError} with the driver's words when it fails or memory runs out */
export async function guarded<T>(gpu: Gpu, what: string, build: () => T | Promise<T>): Promise<T> {
  gpu.device.pushErrorScope("out-of-memory");
  gpu.device.pushErrorScope("validation");
  let result: T;
  let thrown: unknown;
  try {
    result = await build();
  } catch (error) {
    thrown = error;
  }
  const validation = await gpu.device.popErrorScope();
  const memory = await gpu.device.popErrorScope();
  if (thrown) throw thrown;
  if (memory) {
    throw new DeviceError(
      `Cannot ${what}: the GPU is out of memory (${memory.message}): use a smaller patch or batch`,
      {
        reason: "out-of-memory",
      },
    );
  }
  if (validation) throw new DeviceError(`Cannot ${what}: ${validation.message}`, { reason: "validation" });
  return result!;
}
