/** Limits of an imaginary device, so that planning can be tested without a GPU. */
import type { DeviceFacts } from "../../kernels/spec.ts";

/** The limits that WebGPU guarantees everywhere. */
export const plainDevice: DeviceFacts = {
  adapter: "imaginary",
  maxBinding: 128 * 2 ** 20,
  maxBuffer: 256 * 2 ** 20,
  maxStorageBindings: 8,
  maxWorkgroupBytes: 16384,
  maxInvocations: 256,
  maxGroupsPerDimension: 65535,
  offsetAlignment: 256,
  f16: false,
  timestamps: false,
  subgroups: false,
  subgroupMinSize: 0,
  software: false,
};
