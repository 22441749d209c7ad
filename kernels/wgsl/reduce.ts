/**
 * Workgroup tree reductions in a fixed order, so that sums repeat bit for bit. Where the device has subgroups, the last
 * levels pass values between threads instead of through workgroup memory and barriers; the order is the same.
 */
import type { DeviceFacts } from "../spec.ts";

/**
 * Threads of a workgroup that reduces, 64 where there is no reason for others. Software devices run eight threads as one
 * vector: more of them take turns at every barrier, and share no work that one core does not do anyway.
 */
export function treeThreads(device: DeviceFacts, threads = 64): number {
  return device.software ? 8 : Math.min(threads, device.maxInvocations);
}

/**
 * Declares `fn <name>Sum(lid, value: vec4f) -> vec4f`, which returns the sum over the workgroup to every thread.
 * Must be called from uniform control flow.
 *
 * @param size threads of the workgroup, a power of two
 */
export function treeSum(name: string, size: number, device: DeviceFacts): string {
  return tree(name, size, device, "Sum", (a, b) => `${a} + ${b}`);
}

/**
 * Declares `fn <name>Merge(lid, value: vec4f) -> vec4f` for moments `(count, mean, sum of squared deviations, unused)`:
 * pairs merge by Chan, Golub and LeVeque's update, which keeps its precision when the mean dwarfs the deviation.
 */
export function treeMoments(name: string, size: number, device: DeviceFacts): string {
  return `${MERGE_MOMENTS}\n${tree(name, size, device, "Merge", (a, b) => `mergeMoments(${a}, ${b})`)}`;
}

/** Declares `fn <name>Max(lid, value: vec4f) -> vec4f`, the largest of each component over the workgroup. */
export function treeMax(name: string, size: number, device: DeviceFacts): string {
  return tree(name, size, device, "Max", (a, b) => `max(${a}, ${b})`);
}

/** `fn mergeMoments(a, b)` on `(count, mean, sum of squared deviations, unused)`. */
export const MERGE_MOMENTS = `fn mergeMoments(a: vec4f, b: vec4f) -> vec4f {
  let count = a.x + b.x;
  if (count == 0.0) { return vec4f(); }
  let delta = b.y - a.y;
  return vec4f(count, a.y + delta * (b.x / count), a.z + b.z + delta * delta * (a.x * b.x / count), 0.0);
}`;

/** Adds `value[i]` and `value[i + half]` for half = size / 2, size / 4, ... 1. */
function tree(
  name: string,
  size: number,
  device: DeviceFacts,
  suffix: string,
  combine: (a: string, b: string) => string,
): string {
  // A subgroup has at least this many threads, and more of them do no harm: aligned runs of `width` lanes compute the same.
  const width = device.subgroups ? Math.min(device.subgroupMinSize, size) : 1;
  const steps: string[] = [];
  let half = size / 2;
  for (; half >= width; half /= 2) {
    const merged = combine(`${name}[lid]`, `${name}[lid + ${half}u]`);
    steps.push(`if (lid < ${half}u) { ${name}[lid] = ${merged}; } workgroupBarrier();`);
  }
  steps.push(`var total = ${name}[${width > 1 ? `lane & ${width - 1}u` : "0"}];`);
  for (; half >= 1; half /= 2) {
    const merged = combine("select(total, other, upper)", "select(other, total, upper)");
    steps.push(
      `{ let other = subgroupShuffleXor(total, ${half}u); let upper = (lane & ${half}u) != 0u; total = ${merged}; }`,
    );
  }
  return `var<workgroup> ${name}: array<vec4f, ${size}>;
fn ${name}${suffix}(lid: u32, value: vec4f) -> vec4f {
  ${name}[lid] = value;
  workgroupBarrier();
  ${steps.join("\n  ")}
  workgroupBarrier();
  return total;
}`;
}
