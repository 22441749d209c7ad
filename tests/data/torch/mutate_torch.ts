import { hashRandom, type Rng } from "../../../data/random.ts";
import { joinBytes } from "../../support/join_bytes.ts";
import { deflate, type Entry, floats, pickleBytes, tensorPickle, unicode, zipBytes } from "./archives.ts";

/** A file that may be one of torch, made from a valid one. */
export interface MutatedTorch {
  readonly bytes: Uint8Array;
  /** What was done to it, for messages. */
  readonly story: string;
}

const storages = { "0": floats(0, 1, 2, 3, 4, 5, 6, 7), "1": new Uint8Array(40) };
const packed = await deflate(storages["1"]);

/** A small checkpoint that uses every part of the reader. */
const PICKLE = pickleBytes(
  ...[0x80, 4, 0x95, 0, 1, 0, 0, 0, 0, 0, 0, "}q", 0, "("],
  ...[unicode("network_weights"), "ccollections\nOrderedDict\n)Rq", 1, "("],
  ...[unicode("a"), tensorPickle({ elements: 8, offset: 1, shape: [2, 3], strides: [1, 2] }), "q", 2],
  ...[
    unicode("b"),
    "h",
    2,
    unicode("c"),
    tensorPickle({ type: "LongStorage", key: "1", elements: 5, shape: [5], strides: [1] }),
  ],
  ...[
    "u",
    unicode("logging"),
    "](",
    "G?",
    0xf0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x4b,
    7,
    0x4d,
    1,
    2,
    0x4a,
    1,
    2,
    3,
    4,
    0x8a,
    2,
    1,
    0xff,
    "e",
  ],
  ...[
    unicode("score"),
    "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(",
    unicode("f8"),
    0x89,
    0x88,
    "tR(K",
    3,
    unicode("<"),
  ],
  ...["NNNK", 0, "K", 0, "K", 0, "tbC", 8, new Uint8Array(8), "tR"],
  ...[
    unicode("path"),
    "cpathlib\nPosixPath\n(",
    unicode("x"),
    "tR",
    unicode("device"),
    "ctorch\ndevice\n(",
    unicode("cpu"),
    "tR",
  ],
  ...[unicode("set"), 0x8f, "(K", 1, 0x90, unicode("bytes"), "c_codecs\nencode\n", unicode("a"), 0x85, "R"],
  ...[unicode("object"), 0x8c, 1, "m", 0x8c, 1, "n", 0x93, ")", 0x81, "}b", "u."],
);
const ENTRIES: readonly Entry[] = [
  { name: "a/data.pkl", content: PICKLE },
  { name: "a/byteorder", content: new TextEncoder().encode("little") },
  { name: "a/data/0", content: storages["0"] },
  { name: "a/data/1", content: storages["1"], deflated: packed },
  { name: "a/version", content: new TextEncoder().encode("3\n") },
];
const VALID = zipBytes(ENTRIES);

/** Opcodes and short runs of them, to be put anywhere. */
const PIECES: readonly Uint8Array[] = [
  ..."(.0123abcdeghijlopqrstu)RQ}]NTUVXBCGIJKLMPS".split("").map((code) => pickleBytes(code)),
  ...Array.from({ length: 26 }, (_, i) => Uint8Array.of(0x80 + i)),
  pickleBytes("cos\nsystem\n(", unicode("touch ran"), "tR"),
  pickleBytes("}(", unicode("__proto__"), "}u"),
  pickleBytes("}(", unicode("__proto__"), "}ub"),
  pickleBytes("h", 0, "h", 1, "h", 2),
  pickleBytes("2".repeat(20), "t"),
  pickleBytes(0x8b, 0xff, 0xff, 0xff, 0x7f),
  pickleBytes(0x8e, ...new Array(8).fill(0xff)),
  pickleBytes("K", 0xff, "J", 0xff, 0xff, 0xff, 0x7f, "J", 0, 0, 0, 0x80),
];
const BYTES = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];

/**
 * The file number `index` of a seed's corpus: a third is a valid archive with broken bytes anywhere; the others are archives with right
 * checksums around a broken pickle, so that the pickle is reached.
 */
export function mutatedTorch(seed: number, index: number): MutatedTorch {
  const rng = hashRandom(seed, index);
  const stories: string[] = [];
  const mutate = (bytes: Uint8Array) => {
    const times = 1 + pick(rng, 4);
    for (let i = 0; i < times; i++) {
      const { bytes: next, story } = mutateOnce(bytes, rng);
      bytes = next;
      stories.push(story);
    }
    return bytes;
  };
  const archive = pick(rng, 3) === 0;
  const bytes = archive ? mutate(VALID) : zipBytes(
    ENTRIES.map((entry) => entry.content === PICKLE ? { ...entry, content: mutate(PICKLE) } : entry),
  );
  return {
    bytes,
    story: `${index} of seed ${seed}, ${archive ? "archive" : "pickle"}: ${stories.join(", ")}`,
  };
}

function mutateOnce(bytes: Uint8Array, rng: Rng): { bytes: Uint8Array; story: string } {
  const at = pick(rng, bytes.length + 1);
  const length = pick(rng, 8) + 1;
  const end = Math.min(bytes.length, at + length);
  switch (pick(rng, 7)) {
    case 0: {
      const changed = bytes.slice();
      if (at < bytes.length) changed[at] ^= 1 << pick(rng, 8);
      return { bytes: changed, story: `bit of byte ${at}` };
    }
    case 1: {
      const changed = bytes.slice();
      const value = BYTES[pick(rng, BYTES.length)];
      changed.fill(value, at, end);
      return { bytes: changed, story: `bytes ${at} to ${end} are ${value}` };
    }
    case 2: {
      const piece = PIECES[pick(rng, PIECES.length)];
      return {
        bytes: joinBytes(bytes.subarray(0, at), piece, bytes.subarray(at)),
        story: `${piece.join(" ")} at ${at}`,
      };
    }
    case 3: {
      const piece = PIECES[pick(rng, PIECES.length)];
      const rest = bytes.subarray(Math.min(bytes.length, at + piece.length));
      return { bytes: joinBytes(bytes.subarray(0, at), piece, rest), story: `${piece.join(" ")} over ${at}` };
    }
    case 4:
      return {
        bytes: joinBytes(bytes.subarray(0, at), bytes.subarray(end)),
        story: `without ${at} to ${end}`,
      };
    case 5: {
      const from = pick(rng, bytes.length + 1);
      const piece = bytes.subarray(from, from + 10 * length);
      return {
        bytes: joinBytes(bytes.subarray(0, at), piece, bytes.subarray(at)),
        story: `${from} copied to ${at}`,
      };
    }
    default:
      return pick(rng, 8) === 0 ? { bytes: bytes.slice(0, at), story: `cut at ${at}` } : {
        bytes: joinBytes(bytes.subarray(0, at), Uint8Array.of(pick(rng, 256)), bytes.subarray(end)),
        story: `a byte for ${at} to ${end}`,
      };
  }
}

function pick(rng: Rng, count: number): number {
  return rng.int(0, count - 1);
}
