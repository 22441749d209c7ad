/** The adapter's own peaks, measured by two small kernels: multiply-adds from registers, and a copy. */
import { elementCount, type OpDef, tensor } from "../kernels/spec.ts";
import { input, kernel, output } from "../kernels/wgsl/module.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import type { BenchCase } from "./case.ts";
import type { Clock } from "./clock.ts";
import { type OpTimes, timeCase } from "./time_case.ts";

/** Peaks of an adapter, and the kernels that reached them. */
export interface Roofline {
  readonly gflops: number;
  readonly gbps: number;
  readonly fma: OpTimes;
  readonly copy: OpTimes;
}

interface FmaAttrs {
  readonly threads: number;
  readonly iterations: number;
  /** Independent sums of a thread, four numbers each. */
  readonly chains: number;
  /** `fma(a, b, c)` or `a * b + c`: which one is fast depends on the driver. */
  readonly fused: boolean;
}

const FMA_GROUP = 64;
const B = 0.999;
const C = 0.001;

/** `iterations` multiply-adds on every one of `4 chains` numbers of a thread; output `[threads]`, their sum. */
export const fmaPeak: OpDef<FmaAttrs> = {
  name: "peak.fma",
  infer: (_, { threads }) => [tensor([threads])],
  cost: (_, __, { threads, iterations, chains }) => ({
    flop: threads * iterations * chains * 8,
    bytesRead: 0,
    bytesWritten: threads * 4,
  }),
  lower({ attrs: { threads, iterations, chains, fused }, device }) {
    const names = Array.from({ length: chains }, (_, k) => `a${k}`);
    return {
      variant: "registers",
      scratch: [],
      kernels: [kernel({
        label: `peak.fma ${chains} ${fused ? "fused" : "split"}`,
        device,
        workgroupSize: FMA_GROUP,
        bindings: [output(0, "y")],
        params: { n: threads, iterations, b: { f32: B }, c: { f32: C } },
        groups: Math.ceil(threads / FMA_GROUP),
        body: `
let start = f32(tid % 7u);
let b = vec4f(p.b); let c = vec4f(p.c);
${names.map((name, k) => `var ${name} = vec4f(start) + vec4f(0.0, 1.0, 2.0, 3.0) + ${k}.0;`).join("\n")}
for (var i = 0u; i < p.iterations; i++) {
  ${names.map((a) => `${a} = ${fused ? `fma(${a}, b, c)` : `${a} * b + c`};`).join(" ")}
}
let sum = ${names.join(" + ")};
if (tid < p.n) { y[tid] = sum.x + sum.y + sum.z + sum.w; }`,
      })],
    };
  },
  reference({ attrs: { threads, iterations, chains } }) {
    return [
      Float64Array.from({ length: threads }, (_, tid) => {
        let sum = 0;
        for (let k = 0; k < chains * 4; k++) {
          let a = tid % 7 + k % 4 + Math.floor(k / 4);
          for (let i = 0; i < iterations; i++) a = a * Math.fround(B) + Math.fround(C);
          sum += a;
        }
        return sum;
      }),
    ];
  },
};

const COPY_EACH = 4;

interface CopyAttrs {
  /** Numbers that a thread moves at once. */
  readonly width: 1 | 4;
  readonly group: number;
}

/** `y = x`. Input `[n]`, n a multiple of 4; output `[n]`. */
export const copyPeak: OpDef<CopyAttrs> = {
  name: "peak.copy",
  infer: ([x]) => [x],
  cost: ([x]) => ({ flop: 0, bytesRead: 4 * elementCount(x.shape), bytesWritten: 4 * elementCount(x.shape) }),
  lower({ inputs: [x], attrs: { width, group }, device }) {
    const n = elementCount(x.shape) / width;
    const type = width === 4 ? "vec4f" : "f32";
    return {
      variant: type,
      scratch: [],
      kernels: [kernel({
        label: `peak.copy ${type} ${n}`,
        device,
        workgroupSize: group,
        bindings: [input(0, "x", type), output(0, "y", type)],
        params: { n },
        groups: Math.ceil(n / (group * COPY_EACH)),
        body: `
for (var k = 0u; k < ${COPY_EACH}u; k++) {
  let i = group * ${group * COPY_EACH}u + k * ${group}u + lid;
  if (i < p.n) { y[i] = x[i]; }
}`,
      })],
    };
  },
  reference: ({ inputs: [x] }) => [x.slice()],
};

/** A case of {@link fmaPeak}. */
export function fmaCase(attrs: FmaAttrs): BenchCase {
  const { threads, iterations, chains, fused } = attrs;
  return {
    op: fmaPeak,
    attrs,
    shape: `${threads} threads x ${iterations} x ${chains * 4} ${fused ? "fma()" : "a * b + c"}`,
    inputs: [],
  };
}

/** A case of {@link copyPeak}. */
export function copyCase(elements: number, attrs: CopyAttrs): BenchCase {
  return {
    op: copyPeak,
    attrs,
    shape: `${(elements * 4 / 2 ** 20).toFixed(0)} MiB by ${attrs.width} x ${attrs.group}`,
    inputs: [{ shape: [elements] }],
  };
}

/** Milliseconds that one run of the multiply-add kernel should take. */
const FMA_MS = 60;
/** Bytes of a copied tensor, unless the adapter binds less: more than any cache. */
const COPY_BYTES = 2 ** 28;

/** Measures both peaks: the best run of the best of a few kernels. */
export async function measureRoofline(gpu: Gpu, clock: Clock): Promise<Roofline> {
  const fmas: OpTimes[] = [];
  for (const fused of [false, true]) {
    for (const chains of [2, 4, 8]) {
      const attrs = { threads: 1 << 14, iterations: 256, chains, fused };
      const probe = Math.max(
        0.01,
        Math.min(...(await timeCase(gpu, fmaCase(attrs), clock, { runs: 2 })).times),
      );
      const threads = attrs.threads * 2 ** Math.max(0, Math.min(10, Math.round(Math.log2(FMA_MS / probe))));
      fmas.push(await timeCase(gpu, fmaCase({ ...attrs, threads }), clock, { runs: 3 }));
    }
  }
  const copies: OpTimes[] = [];
  const elements = Math.floor(Math.min(gpu.facts.maxBinding, COPY_BYTES) / 16) * 4;
  for (const attrs of [{ width: 1, group: 64 }, { width: 4, group: 64 }, { width: 4, group: 256 }] as const) {
    copies.push(await timeCase(gpu, copyCase(elements, attrs), clock, { runs: 3 }));
  }
  const rate = (amount: "flop" | "bytes") => (m: OpTimes) => m.cost[amount] / Math.min(...m.times) / 1e6;
  const [gflops, gbps] = [rate("flop"), rate("bytes")];
  const best = (all: readonly OpTimes[], by: (m: OpTimes) => number) =>
    all.reduce((a, b) => by(b) > by(a) ? b : a);
  const [fma, copy] = [best(fmas, gflops), best(copies, gbps)];
  return { gflops: gflops(fma), gbps: gbps(copy), fma, copy };
}
