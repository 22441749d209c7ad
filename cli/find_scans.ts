import { imageStem, isImageName } from "../data/image_names.ts";
import type { PredictionCase } from "../train/predict/types.ts";
import { CliError, fileError } from "./errors.ts";
import { basename, dirname, join } from "./paths.ts";

/** A stem of nnU-Net's form: name of the case and number of the channel. */
const CHANNEL = /^(.+)_(\d{4})$/;

/**
 * The scans that a path means: a folder of `CASE_0000.nii.gz`, `CASE_0001.nii.gz`, ... or, for one channel, of any image files; or one
 * file.
 *
 * @param channels names of the channels that the model wants, in order
 * @throws {CliError} when there is no scan, a channel is missing or one too many, or two files make the same scan
 */
export async function findScans(path: string, channels: readonly string[]): Promise<PredictionCase[]> {
  const info = await Deno.stat(path).catch((error) => {
    throw fileError("predict", path, error);
  });
  if (!info.isDirectory) return [await scanOfFile(path, channels)];
  const scans = groupScans(path, await imageNames(path), channels);
  if (scans.length > 0) return scans;
  throw new CliError(
    `Cannot predict ${path}: found no image in this folder, wanted ${
      expected(channels)
    }: name another folder`,
  );
}

/** The scan that a file belongs to: with its other channels where the model has several. */
async function scanOfFile(path: string, channels: readonly string[]): Promise<PredictionCase> {
  const name = basename(path), stem = imageStem(name);
  const id = CHANNEL.exec(stem)?.[1];
  if (channels.length === 1) return { id: id ?? stem, images: [path] };
  if (id === undefined) {
    throw new CliError(
      `Cannot predict ${path}: found one file without a channel number, wanted ${expected(channels)}: ` +
        `rename the channels of the scan`,
    );
  }
  const folder = dirname(path);
  const own = (await imageNames(folder)).filter((other) => CHANNEL.exec(imageStem(other))?.[1] === id);
  return groupScans(folder, own, channels)[0];
}

async function imageNames(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).filter(isImageName).sort();
  } catch (error) {
    throw fileError("list", folder, error);
  }
}

function groupScans(folder: string, names: readonly string[], channels: readonly string[]): PredictionCase[] {
  const files = new Map<string, Map<number, string>>();
  for (const name of names) {
    const stem = imageStem(name), match = CHANNEL.exec(stem);
    if (!match && channels.length > 1) {
      throw new CliError(
        `Cannot predict ${join(folder, name)}: found no channel number in its name, wanted ${
          expected(channels)
        }: rename or remove it`,
      );
    }
    const id = match ? match[1] : stem, channel = match ? Number(match[2]) : 0;
    if (channel >= channels.length) {
      throw new CliError(
        `Cannot predict ${join(folder, name)}: found channel ${channel}, wanted ${
          expected(channels)
        }: remove it, or name a model of more channels`,
      );
    }
    const known = files.get(id) ?? new Map<number, string>();
    const other = known.get(channel);
    if (other !== undefined) {
      throw new CliError(
        `Cannot predict ${
          join(folder, name)
        }: found ${other} beside it, which is the same scan ${id}: keep one`,
      );
    }
    files.set(id, known.set(channel, name));
  }
  return [...files].map(([id, found]) => ({
    id,
    images: channels.map((channel, c) => {
      const name = found.get(c);
      if (name !== undefined) return join(folder, name);
      throw new CliError(
        `Cannot predict scan ${id} in ${folder}: channel ${c} (${channel}) is missing: add ${id}_${
          String(c).padStart(4, "0")
        }.nii.gz`,
      );
    }),
  }));
}

function expected(channels: readonly string[]): string {
  if (channels.length === 1) return "images such as CASE.nii.gz or CASE_0000.nii.gz";
  return channels.map((name, c) => `CASE_${String(c).padStart(4, "0")}.nii.gz (${name})`).join(", ");
}
