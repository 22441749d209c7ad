// Convolution as a gather, tiled in registers. Serves conv3d forward, conv3d input gradient, and both for transposed convs.
//   forward     y[n,o,q] = b[o] + sum_{c,k} w[c,k,o] * x[n,c, s*q + k - pad]
//   transposed  y[n,o,q] = b[o] + sum_{c,k} w[c,k,o] * x[n,c, (q + pad - k) / s]   where divisible
// Layout   x, y: [N, C, D, H, W]; w: packed [C, K, O rounded up to 4] (pack.wgsl.ts); sources are read one after another
// Work     1 thread = 1 tile of output voxels x 4*blocks output channels; every input value is loaded once a channel and thread
// Limits   5 storage bindings at most (two sources, weights, bias, output); no workgroup memory
// Siblings weight_gradient.wgsl.ts   Reference reference.ts
import type { DeviceFacts, Dims3, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import { type ConvGeometry, dims, volumeOf } from "./geometry.ts";

type Binding = KernelDraft["bindings"][number];

/** One gathered convolution. */
export interface GatherDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly direction: "forward" | "transposed";
  readonly geometry: ConvGeometry;
  readonly n: number;
  readonly inSize: Dims3;
  readonly outSize: Dims3;
  readonly outChannels: number;
  readonly sources: readonly { readonly binding: Binding; readonly channels: number }[];
  readonly weights: Binding;
  readonly bias: Binding | null;
  readonly output: Binding;
}

/** Output voxels per axis and groups of four output channels that one thread computes. */
export interface Tile {
  readonly size: Dims3;
  readonly blocks: number;
}

/** Offset along one axis from the tile's first input to the input of output `a` and tap `k`; null where there is none. */
function tapOffset(draft: GatherDraft, axis: 0 | 1 | 2, a: number, k: number): number | null {
  const { stride, padding } = draft.geometry;
  if (draft.direction === "forward") return stride[axis] * a + k - padding[axis];
  const numerator = a + padding[axis] - k;
  return ((numerator % stride[axis]) + stride[axis]) % stride[axis] === 0 ? numerator / stride[axis] : null;
}

/** Input step from tile to tile along one axis. */
function tileStep(draft: GatherDraft, tile: Tile, axis: 0 | 1 | 2): number {
  const { stride } = draft.geometry;
  return draft.direction === "forward" ? tile.size[axis] * stride[axis] : tile.size[axis] / stride[axis];
}

/** Chooses the largest tile that leaves enough threads for the device. */
export function chooseTile(draft: GatherDraft): Tile {
  const least = draft.direction === "transposed" ? draft.geometry.stride : dims(() => 1);
  const candidates: Tile[] = [
    draft.outChannels > 4 ? { size: [1, 2, 4], blocks: 2 } : { size: [2, 2, 4], blocks: 1 },
    { size: [1, 2, 4], blocks: 1 },
    { size: [1, 1, 4], blocks: 1 },
    { size: [1, 1, 2], blocks: 1 },
    { size: [1, 1, 1], blocks: 1 },
  ];
  const fitted = candidates.map(({ size, blocks }): Tile => ({
    size: dims((a) => Math.max(size[a], least[a])),
    blocks,
  }));
  const threads = (t: Tile) =>
    draft.n * volumeOf(dims((a) => Math.ceil(draft.outSize[a] / t.size[a]))) *
    Math.ceil(draft.outChannels / (4 * t.blocks));
  const waste = (t: Tile) =>
    dims((a) => Math.ceil(draft.outSize[a] / t.size[a]) * t.size[a] / draft.outSize[a]);
  return fitted.find((t) => threads(t) >= 256 && volumeOf(waste(t)) <= 1.5) ?? fitted[fitted.length - 1];
}

/** Text and grid of a gathered convolution. */
export function gatherKernel(draft: GatherDraft, tile = chooseTile(draft)): KernelSpec {
  const { geometry: g, outSize, inSize } = draft;
  const [td, th, tw] = tile.size;
  const tiles = dims((a) => Math.ceil(outSize[a] / tile.size[a]));
  const outBlocks = Math.ceil(draft.outChannels / (4 * tile.blocks));
  const lines: string[] = [
    `let t = tid % p.tiles; let rest = tid / p.tiles;`,
    `let ob = (rest % p.outBlocks) * ${tile.blocks}u; let n = rest / p.outBlocks;`,
    `if (n >= p.n) { return; }`,
    `let tx = t % p.tilesX; let ty = (t / p.tilesX) % p.tilesY; let tz = t / (p.tilesX * p.tilesY);`,
    `let iz = i32(tz) * ${tileStep(draft, tile, 0)}; let iy = i32(ty) * ${
      tileStep(draft, tile, 1)
    }; let ix = i32(tx) * ${tileStep(draft, tile, 2)};`,
  ];
  const cells: [number, number, number][] = [];
  for (let z = 0; z < td; z++) {
    for (let y = 0; y < th; y++) for (let x = 0; x < tw; x++) cells.push([z, y, x]);
  }
  for (let b = 0; b < tile.blocks; b++) {
    const bias = draft.bias
      ? `vec4f(${
        [0, 1, 2, 3].map((j) => `bias[min((ob + ${b}u) * 4u + ${j}u, p.outChannels - 1u)]`).join(", ")
      })`
      : "vec4f()";
    lines.push(`let start${b} = ${bias};`);
    for (const [z, y, x] of cells) lines.push(`var a${z}_${y}_${x}_${b} = start${b};`);
  }
  const plan = tapPlan(draft, tile);
  for (const axis of [0, 1, 2] as const) {
    const name = "zyx"[axis];
    for (const o of plan.offsets[axis]) {
      lines.push(
        `let ok${name}${key(o)} = (i${name} + ${o} >= 0) & (i${name} + ${o} < i32(p.in${"DHW"[axis]}));`,
      );
    }
  }
  for (const row of plan.rows) {
    const [oz, oy] = row.split(",").map(Number);
    lines.push(`let r${key(oz)}${key(oy)} = ((iz + ${oz}) * i32(p.inH) + iy + ${oy}) * i32(p.inW) + ix;`);
    lines.push(`let k${key(oz)}${key(oy)} = okz${key(oz)} & oky${key(oy)};`);
  }
  draft.sources.forEach((source, s) => {
    lines.push(`for (var c = 0u; c < p.channels${s}; c++) {`);
    lines.push(`let plane = i32((n * p.channels${s} + c) * p.inVoxels);`);
    lines.push(
      `let wbase = (c + ${s === 0 ? "0u" : "p.channels0"}) * ${volumeOf(g.kernel)}u * p.outQuads + ob;`,
    );
    for (const point of plan.points) {
      const [oz, oy, ox] = point.split(",").map(Number);
      lines.push(
        `let v${key(oz)}${key(oy)}${key(ox)} = select(0.0, ${source.binding.name}[u32(plane + r${key(oz)}${
          key(oy)
        } + ${ox})], k${key(oz)}${key(oy)} & okx${key(ox)});`,
      );
    }
    for (const { tap, uses } of plan.taps) {
      for (let b = 0; b < tile.blocks; b++) {
        const adds = uses.map(({ cell, point }) => {
          const v = `v${point.map(key).join("")}`;
          const a = `a${cell.join("_")}_${b}`;
          return `${a} = fma(w, vec4f(${v}), ${a});`;
        });
        lines.push(`{ let w = weights[wbase + ${tap}u * p.outQuads + ${b}u]; ${adds.join(" ")} }`);
      }
    }
    lines.push(`}`);
  });
  lines.push(...storeLines(tile, cells));
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [
      ...draft.sources.map((s) => s.binding),
      { ...draft.weights, type: "vec4f" },
      ...(draft.bias ? [draft.bias] : []),
      draft.output,
    ],
    params: {
      n: draft.n,
      tiles: volumeOf(tiles),
      tilesX: tiles[2],
      tilesY: tiles[1],
      outBlocks,
      outQuads: Math.ceil(draft.outChannels / 4),
      outChannels: draft.outChannels,
      outD: outSize[0],
      outH: outSize[1],
      outW: outSize[2],
      inD: inSize[0],
      inH: inSize[1],
      inW: inSize[2],
      inVoxels: volumeOf(inSize),
      ...Object.fromEntries(draft.sources.map((s, i) => [`channels${i}`, s.channels])),
    },
    groups: Math.ceil(draft.n * outBlocks * volumeOf(tiles) / WORKGROUP),
    body: lines.join("\n"),
  });
}

/** Which inputs a tile needs, and for each tap which (cell, input) pairs it joins. */
function tapPlan(draft: GatherDraft, tile: Tile) {
  const [kd, kh, kw] = draft.geometry.kernel;
  const points = new Set<string>();
  const taps: { tap: number; uses: { cell: number[]; point: number[] }[] }[] = [];
  for (let i = 0; i < kd; i++) {
    for (let j = 0; j < kh; j++) {
      for (let k = 0; k < kw; k++) {
        const uses: { cell: number[]; point: number[] }[] = [];
        for (let z = 0; z < tile.size[0]; z++) {
          for (let y = 0; y < tile.size[1]; y++) {
            for (let x = 0; x < tile.size[2]; x++) {
              const point = [tapOffset(draft, 0, z, i), tapOffset(draft, 1, y, j), tapOffset(draft, 2, x, k)];
              if (point.includes(null)) continue;
              uses.push({ cell: [z, y, x], point: point as number[] });
              points.add(point.join(","));
            }
          }
        }
        if (uses.length > 0) taps.push({ tap: (i * kh + j) * kw + k, uses });
      }
    }
  }
  const sorted = [...points].sort((a, b) => compare(a.split(",").map(Number), b.split(",").map(Number)));
  return {
    taps,
    points: sorted,
    rows: [...new Set(sorted.map((p) => p.split(",").slice(0, 2).join(",")))],
    offsets: ([0, 1, 2] as const).map((axis) => [...new Set(sorted.map((p) => Number(p.split(",")[axis])))]),
  };
}

function compare(a: readonly number[], b: readonly number[]): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** An offset as part of a WGSL name: `m1` for -1. */
function key(offset: number): string {
  return offset < 0 ? `m${-offset}` : `p${offset}`;
}

function storeLines(tile: Tile, cells: readonly [number, number, number][]): string[] {
  const lines = [
    `let oz = tz * ${tile.size[0]}u; let oy = ty * ${tile.size[1]}u; let ox = tx * ${tile.size[2]}u;`,
    `let outVoxels = p.outD * p.outH * p.outW;`,
  ];
  for (let b = 0; b < tile.blocks; b++) {
    for (let j = 0; j < 4; j++) {
      lines.push(
        `{ let o = (ob + ${b}u) * 4u + ${j}u; if (o < p.outChannels) { let at = (n * p.outChannels + o) * outVoxels;`,
      );
      for (const [z, y, x] of cells) {
        lines.push(
          `if (oz + ${z}u < p.outD && oy + ${y}u < p.outH && ox + ${x}u < p.outW) { ` +
            `y[at + ((oz + ${z}u) * p.outH + oy + ${y}u) * p.outW + ox + ${x}u] = a${z}_${y}_${x}_${b}.${
              "xyzw"[j]
            }; }`,
        );
      }
      lines.push(`} }`);
    }
  }
  return lines;
}
