/** Workgroup tree reductions in a fixed order, so that sums repeat bit for bit. */

/**
 * Declares `var<workgroup> <name>: array<vec4f, size>` and `fn <name>Sum(lid, value) -> vec4f`, which returns the sum
 * over the workgroup to every thread. Must be called from uniform control flow.
 *
 * @param size threads of the workgroup, a power of two
 */
export function treeSum(name: string, size: number): string {
  const steps: string[] = [];
  for (let half = size / 2; half >= 1; half /= 2) {
    steps.push(
      `if (lid < ${half}u) { ${name}[lid] = ${name}[lid] + ${name}[lid + ${half}u]; } workgroupBarrier();`,
    );
  }
  return `var<workgroup> ${name}: array<vec4f, ${size}>;
fn ${name}Sum(lid: u32, value: vec4f) -> vec4f {
  ${name}[lid] = value;
  workgroupBarrier();
  ${steps.join("\n  ")}
  let total = ${name}[0];
  workgroupBarrier();
  return total;
}`;
}
