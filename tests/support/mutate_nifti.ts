import { gzipSync } from "node:zlib";
import { hashRandom, type Rng } from "../../data/random.ts";
import { joinBytes } from "./join_bytes.ts";
import { niftiBytes } from "./nifti_bytes.ts";

/** A file that may be NIfTI, made from a valid one. */
export interface MutatedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What was done to it, for messages. */
  readonly story: string;
}

const DATATYPES = [[2, 1], [256, 1], [512, 2], [4, 2], [768, 4], [8, 4], [1280, 8], [1024, 8], [16, 4], [
  64,
  8,
]];

/** Offset and bytes of the header fields that decide what is read, version 1 and 2 (nifti1.h, nifti2.h). */
const FIELDS: Record<1 | 2, readonly (readonly [offset: number, bytes: number, kind: "int" | "real"])[]> = {
  1: [
    [0, 4, "int"],
    ...range(8).map((i) => [40 + 2 * i, 2, "int"] as const),
    [68, 2, "int"],
    [70, 2, "int"],
    [72, 2, "int"],
    ...range(8).map((i) => [76 + 4 * i, 4, "real"] as const),
    [108, 4, "real"],
    [112, 4, "real"],
    [116, 4, "real"],
    [123, 1, "int"],
    [252, 2, "int"],
    [254, 2, "int"],
    ...range(18).map((i) => [256 + 4 * i, 4, "real"] as const),
    [344, 4, "int"],
  ],
  2: [
    [0, 4, "int"],
    [4, 4, "int"],
    [12, 2, "int"],
    [14, 2, "int"],
    ...range(8).map((i) => [16 + 8 * i, 8, "int"] as const),
    ...range(8).map((i) => [104 + 8 * i, 8, "real"] as const),
    [168, 8, "int"],
    [176, 8, "real"],
    [184, 8, "real"],
    [344, 4, "int"],
    [348, 4, "int"],
    ...range(18).map((i) => [352 + 8 * i, 8, "real"] as const),
    [500, 4, "int"],
    [504, 4, "int"],
  ],
};
const REALS = [
  0,
  -0,
  1,
  -1,
  NaN,
  Infinity,
  -Infinity,
  1e-30,
  1e30,
  3.4e38,
  1e-45,
  352,
  544,
  0.5,
  100,
  -2,
  2 ** 31,
];
const INTS = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  4n,
  5n,
  7n,
  8n,
  127n,
  255n,
  348n,
  540n,
  1007n,
  2003n,
  32767n,
  -32768n,
  65535n,
]
  .concat([2n ** 31n - 1n, -(2n ** 31n), 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]);

/** A whole number from 0 to `count - 1`. */
function below(rng: Rng, count: number): number {
  return rng.int(0, count - 1);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** File number `index` of the corpus of a seed: a valid NIfTI file with up to four changes of its header, voxels or gzip stream. */
export function mutatedNifti(seed: number, index: number): MutatedFile {
  const rng = hashRandom(seed, index);
  const version = below(rng, 2) === 0 ? 1 : 2,
    littleEndian = below(rng, 2) === 0,
    packed = below(rng, 2) === 0;
  const story = [`version ${version}, ${littleEndian ? "little" : "big"} endian${packed ? ", gzip" : ""}`];
  let bytes = validFile(rng, version, littleEndian);
  const changes = below(rng, 4) + (packed ? 0 : 1);
  for (let i = 0; i < changes; i++) {
    const [changed, what] = below(rng, 3) === 0
      ? changeBytes(rng, bytes)
      : setField(rng, bytes, version, littleEndian);
    bytes = changed;
    story.push(what);
  }
  if (packed) {
    const [stream, what] = packUp(rng, bytes);
    bytes = stream;
    story.push(what);
  }
  const name = below(rng, 8) === 0
    ? "file.nii"
    : packed
    ? "file.nii.gz"
    : below(rng, 8)
    ? "file.nii"
    : "file";
  return { name, bytes, story: `${index}: ${story.join("; ")}` };
}

function validFile(rng: Rng, version: 1 | 2, littleEndian: boolean): Uint8Array {
  const size = [1 + below(rng, 8), 1 + below(rng, 8), 1 + below(rng, 8)] as const;
  const volumes = below(rng, 6) === 0 ? 1 + below(rng, 4) : 1;
  const [datatype, bytes] = DATATYPES[below(rng, DATATYPES.length)];
  const voxels = new Uint8Array(size[0] * size[1] * size[2] * volumes * bytes);
  for (let i = 0; i < voxels.length; i++) voxels[i] = below(rng, 4) ? below(rng, 256) : 0;
  const steps = [0.5 + rng.uniform() * 3, 0.5 + rng.uniform() * 3, 0.5 + rng.uniform() * 3];
  const sform = [steps[0], 0, 0, -20, 0, steps[1], rng.uniform() * 0.3, 5, 0, 0, steps[2], 7];
  return niftiBytes({
    version,
    littleEndian,
    size,
    dim: [volumes > 1 ? 4 : 3, ...size, volumes, 1, 1, 1],
    datatype,
    bits: 8 * bytes,
    pixdim: [1, ...steps, 1, 0, 0, 0],
    slope: below(rng, 2) ? 0 : 2.5,
    intercept: below(rng, 2) ? 0 : -7,
    qformCode: below(rng, 2),
    quaternion: [0, 0, 0.6, 1, 2, 3],
    sformCode: below(rng, 2),
    sform,
  }, voxels);
}

function setField(rng: Rng, bytes: Uint8Array, version: 1 | 2, littleEndian: boolean): [Uint8Array, string] {
  const [offset, size, kind] = FIELDS[version][below(rng, FIELDS[version].length)];
  if (offset + size > bytes.length) return changeBytes(rng, bytes);
  const copy = bytes.slice();
  const view = new DataView(copy.buffer, copy.byteOffset);
  let value: number | bigint;
  if (kind === "real") {
    value = REALS[below(rng, REALS.length)];
    if (size === 4) view.setFloat32(offset, value, littleEndian);
    else view.setFloat64(offset, value, littleEndian);
  } else {
    value = below(rng, 3) === 0 ? BigInt(below(rng, 2 ** 16)) : INTS[below(rng, INTS.length)];
    if (size === 1) view.setUint8(offset, Number(BigInt.asUintN(8, value)));
    else if (size === 2) view.setInt16(offset, Number(BigInt.asIntN(16, value)), littleEndian);
    else if (size === 4) view.setInt32(offset, Number(BigInt.asIntN(32, value)), littleEndian);
    else view.setBigInt64(offset, value, littleEndian);
  }
  return [copy, `${value} at ${offset}`];
}

function changeBytes(rng: Rng, bytes: Uint8Array): [Uint8Array, string] {
  const at = bytes.length === 0 ? 0 : below(rng, bytes.length);
  const some = 1 + below(rng, 64);
  switch (below(rng, 6)) {
    case 0:
      return [bytes.slice(0, at), `cut at ${at}`];
    case 1:
      return [joinBytes(bytes.slice(0, at), bytes.slice(at + some)), `${some} bytes lost at ${at}`];
    case 2:
      return [joinBytes(bytes.slice(0, at + some), bytes.slice(at)), `${some} bytes twice at ${at}`];
    case 3:
      return [joinBytes(bytes, randomBytes(rng, some)), `${some} bytes more`];
    case 4: {
      const copy = bytes.slice();
      copy.set(randomBytes(rng, Math.min(some, bytes.length - at)), at);
      return [copy, `noise at ${at}`];
    }
    default: {
      const copy = bytes.slice();
      for (let i = 0; i < 1 + some % 8 && copy.length > 0; i++) {
        copy[below(rng, copy.length)] ^= 1 << below(rng, 8);
      }
      return [copy, "bits turned"];
    }
  }
}

/** Compresses in one or two members, at times with zeros that expand a thousandfold, and damages the stream or not. */
function packUp(rng: Rng, bytes: Uint8Array): [Uint8Array, string] {
  const story: string[] = [];
  let content = bytes;
  if (below(rng, 20) === 0) {
    content = joinBytes(bytes, new Uint8Array(4 << 20));
    story.push("4 MiB of zeros behind");
  }
  const cut = below(rng, 4) === 0 ? below(rng, content.length + 1) : 0;
  const level = below(rng, 10);
  const members = [content.slice(0, cut), content.slice(cut)].slice(cut === 0 ? 1 : 0);
  let stream = joinBytes(...members.map((member) => new Uint8Array(gzipSync(member, { level }))));
  story.push(`${members.length} members of level ${level}`);
  for (let i = below(rng, 3); i > 0; i--) {
    const [changed, what] = changeBytes(rng, stream);
    stream = changed;
    story.push(`stream: ${what}`);
  }
  return [stream, story.join("; ")];
}

function randomBytes(rng: Rng, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => below(rng, 256));
}
