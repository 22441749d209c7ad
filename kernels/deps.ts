/** Third-party modules of kernels/, pinned. */

/**
 * Dawn's WebGPU for Node and Deno. Not imported here, and imported by name only where it is asked for: a literal import,
 * even one that never runs, makes Deno fetch its 51 MB. For the same reason it is not in deno.lock, and processes that use
 * it run with --no-lock.
 */
export const DAWN_MODULE = "npm:webgpu@0.6.2";
