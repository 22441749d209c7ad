import { memorySource } from "../../../data/torch/byte_source.ts";
import { readTorch } from "../../../data/torch/open_torch_file.ts";
import type { TorchFile, TorchReadOptions } from "../../../data/torch/types.ts";
import { joinBytes } from "../../support/join_bytes.ts";
import { crc32 } from "node:zlib";

/** One record of an archive; what is given beside name and content is written in place of the truth. */
export interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
  /** Deflated content; the record is then marked as deflated. */
  readonly deflated?: Uint8Array;
  readonly crc?: number;
  readonly bytes?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly offset?: number;
  /** Name in the record's own header. */
  readonly localName?: string;
  /** Sizes and place in the directory's zip64 field only. */
  readonly wide?: boolean;
}

const text = (value: string) => new TextEncoder().encode(value);

function fields(...items: readonly (readonly [1 | 2 | 4 | 8, number])[]): Uint8Array {
  return joinBytes(
    ...items.map(([size, value]) =>
      Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256)
    ),
  );
}

/** A zip archive written by hand, so that it can be wrong in any place. */
export function zipBytes(entries: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = [], directory: Uint8Array[] = [];
  let position = 0;
  for (const entry of entries) {
    const { name, content, deflated, wide = false } = entry;
    const packed = deflated ?? content;
    const { crc = crc32(content), bytes = content.length, flags = 0, offset = position } = entry;
    const { method = deflated ? 8 : 0, localName = name } = entry;
    const sizes = wide ? [0xffffffff, 0xffffffff] : [packed.length, bytes];
    const common = fields([2, flags], [2, method], [4, 0x210000], [4, crc], [4, sizes[0]], [4, sizes[1]]);
    const local = joinBytes(
      fields([4, 0x04034b50], [2, 20]),
      common,
      fields([2, text(localName).length], [2, 0]),
      text(localName),
      packed,
    );
    const extra = wide
      ? fields([2, 99], [2, 1], [1, 0], [2, 1], [2, 24], [8, bytes], [8, packed.length], [8, offset])
      : new Uint8Array();
    directory.push(joinBytes(
      fields([4, 0x02014b50], [2, 20], [2, 20]),
      common,
      fields([2, text(name).length], [2, extra.length], [2, 0], [4, 0], [4, 0], [
        4,
        wide ? 0xffffffff : offset,
      ]),
      text(name),
      extra,
    ));
    parts.push(local);
    position += local.length;
  }
  const bytes = directory.reduce((sum, part) => sum + part.length, 0);
  const end = fields([4, 0x06054b50], [4, 0], [2, entries.length], [2, entries.length], [4, bytes], [
    4,
    position,
  ], [2, 0]);
  return joinBytes(...parts, ...directory, end);
}

/** Raw deflate, by the web's own stream. */
export async function deflate(content: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(content)]).stream().pipeThrough(
    new CompressionStream("deflate-raw"),
  );
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Bytes of a pickle: numbers are bytes, text is UTF-8. */
export function pickleBytes(...parts: readonly (number | string | Uint8Array)[]): Uint8Array {
  return joinBytes(
    ...parts.map((part) =>
      typeof part === "number" ? Uint8Array.of(part) : typeof part === "string" ? text(part) : part
    ),
  );
}

/** BINUNICODE with its text. */
export function unicode(value: string): Uint8Array {
  const bytes = text(value);
  return joinBytes(fields([1, 0x58], [4, bytes.length]), bytes);
}

/** A tensor as torch pickles it: storage by its key, everything else in numbers below 256. */
export function tensorPickle(
  { type = "FloatStorage", key = "0", elements, offset = 0, shape, strides }: {
    type?: string;
    key?: string;
    elements: number;
    offset?: number;
    shape: readonly number[];
    strides: readonly number[];
  },
): Uint8Array {
  const ints = (values: readonly number[]) => values.flatMap((n) => [0x4a, fields([4, n])]);
  return pickleBytes(
    "ctorch._utils\n_rebuild_tensor_v2\n((",
    unicode("storage"),
    `ctorch\n${type}\n`,
    unicode(key),
    unicode("cpu"),
    ...ints([elements]),
    "tQ",
    ...ints([offset]),
    "(",
    ...ints(shape),
    "t(",
    ...ints(strides),
    "t",
    0x89,
    "ccollections\nOrderedDict\n)RtR",
  );
}

/** A file of torch: a pickle of protocol 2 (its start and its end are added) and storages. */
export function torchBytes(
  body: readonly (number | string | Uint8Array)[],
  storages: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  return zipBytes([
    { name: "a/data.pkl", content: pickleBytes(0x80, 2, ...body, ".") },
    ...Object.entries(storages).map(([key, content]) => ({ name: `a/data/${key}`, content })),
    { name: "a/version", content: text("3\n") },
  ]);
}

/** Opens a file held in memory under the name `file.pth`. */
export function openBytes(bytes: Uint8Array, options?: TorchReadOptions): Promise<TorchFile> {
  return readTorch(memorySource(bytes, "file.pth"), options);
}

/** Bytes of 32-bit floats. */
export function floats(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}
