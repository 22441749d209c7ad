import type { ByteSource } from "./byte_source.ts";
import { TorchError } from "./types.ts";

const RESAVE =
  "save it again in PyTorch: torch.save(torch.load(FILE, map_location='cpu'), NEW, _use_new_zipfile_serialization=True)";

/** First bytes of files that are mistaken for torch's zip format, and what to do with them. */
const FOREIGN: readonly { begin: readonly number[] | string; at?: number; found: string; remedy: string }[] =
  [
    {
      begin: [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19],
      found: "the format of torch before 1.6",
      remedy: RESAVE,
    },
    { begin: "ustar", at: 257, found: "a tar archive (the oldest format of torch)", remedy: RESAVE },
    { begin: [0x80], found: "a bare pickle", remedy: RESAVE },
    { begin: [0x1f, 0x8b], found: "a gzip file", remedy: "unpack it first" },
    {
      begin: [0x89, 0x48, 0x44, 0x46],
      found: "an HDF5 file (Keras)",
      remedy: "convert it with its own framework",
    },
    {
      begin: "version https://git-lfs",
      found: "a pointer of Git LFS",
      remedy: "fetch the file itself with git lfs pull",
    },
    { begin: "<", found: "a web page", remedy: "the download failed, repeat it by hand" },
    { begin: "{", at: 8, found: "a safetensors file", remedy: "it needs no import: use it as it is" },
  ];

/**
 * Refuses, by its first bytes, what is no zip archive: naming what it is and what to do.
 *
 * @throws {TorchError} unless the file begins as a zip archive does
 */
export async function refuseForeignFile(source: ByteSource): Promise<void> {
  const head = new Uint8Array(262);
  const bytes = head.subarray(0, await source.read(head, 0));
  const startsWith = (begin: readonly number[] | string, at: number) =>
    [...begin].every((item, i) => bytes[at + i] === (typeof item === "string" ? item.charCodeAt(0) : item));
  if (startsWith([0x50, 0x4b, 0x03, 0x04], 0)) return;
  const { found, remedy } = bytes.length === 0
    ? { found: "an empty file", remedy: "copy or download it again" }
    : FOREIGN.find(({ begin, at = 0 }) => startsWith(begin, at)) ??
      { found: "none of the formats that are known", remedy: "check that this is a checkpoint of PyTorch" };
  throw new TorchError(
    `Cannot read ${source.name}: found ${found}, wanted a zip archive of torch.save: ${remedy}`,
    source.name,
  );
}
