import { byCodePoint } from "../code_point_order.ts";
import { toDataError } from "../errors.ts";
import { mapConcurrent } from "../prepare/map_concurrent.ts";
import type { DatasetCase } from "./dataset.ts";
import { problemLine } from "./dataset_error.ts";
import { type DatasetFields, fileMapSchema } from "./description.ts";

/** Cases of a data set, and a line for each file that is missing or too many. */
export interface CaseList {
  readonly cases: readonly DatasetCase[];
  readonly problems: readonly string[];
}

/**
 * Lists the training cases of a data set: those of the file map `dataset`, otherwise `imagesTr/CASE_0000.nii.gz`, `CASE_0001...` and
 * `labelsTr/CASE.nii.gz`.
 *
 * @param folder absolute path of the data set
 * @throws {DataError} when a folder cannot be listed
 */
export async function listCases(folder: string, fields: DatasetFields): Promise<CaseList> {
  const { description } = fields;
  const found = description.dataset === undefined
    ? await casesOfFolders(folder, fields)
    : await casesOfMap(folder, fields, fileMapSchema.parse(description.dataset));
  const problems = [...found.problems];
  const { numTraining } = description;
  const count = found.cases.length;
  if (count === 0) {
    problems.push(problemLine({
      file: folder,
      found: "no training case",
      wanted: `imagesTr/CASE_0000${fields.fileEnding} and labelsTr/CASE${fields.fileEnding}`,
      remedy: "add cases, or correct file_ending in dataset.json",
    }));
  } else if (numTraining !== undefined && numTraining !== count) {
    problems.push(problemLine({
      file: `${folder}/dataset.json`,
      found: `numTraining ${numTraining}`,
      wanted: `${count}, the number of training cases`,
      remedy: "correct numTraining, or look for files that are missing or too many",
    }));
  }
  return { cases: found.cases.toSorted((a, b) => byCodePoint(a.id, b.id)), problems };
}

async function casesOfFolders(
  folder: string,
  { channelNames, fileEnding }: DatasetFields,
): Promise<CaseList> {
  const problems: string[] = [];
  const problem = (file: string, found: string, wanted: string, remedy: string) =>
    problems.push(problemLine({ file, found, wanted, remedy }));
  const images = `${folder}/imagesTr`, labels = `${folder}/labelsTr`;
  const imageNames = await namesIn(images, fileEnding), labelNames = await namesIn(labels, fileEnding);
  const stem = (name: string) => name.slice(0, -fileEnding.length);
  const channels = new Map<string, Set<number>>();
  for (const name of imageNames) {
    const match = /^(.+)_(\d{4})$/.exec(stem(name));
    if (!match) {
      problem(
        `${images}/${name}`,
        "no channel number",
        `CASE_0000${fileEnding}`,
        "rename or remove the file",
      );
      continue;
    }
    const [, id, digits] = match, channel = Number(digits);
    if (channel >= channelNames.length) {
      const wanted = `channels 0 to ${channelNames.length - 1}, as dataset.json declares`;
      problem(`${images}/${name}`, `channel ${channel}`, wanted, "remove the file or declare the channel");
    }
    channels.set(id, (channels.get(id) ?? new Set()).add(channel));
  }
  const labelled = new Set(labelNames.map(stem));
  const cases = [...new Set([...channels.keys(), ...labelled])].map((id): DatasetCase => {
    const files = channelNames.map((_, c) => `${images}/${id}_${String(c).padStart(4, "0")}${fileEnding}`);
    for (const [c, file] of files.entries()) {
      if (channels.get(id)?.has(c)) continue;
      problem(
        file,
        "no such file",
        `channel ${c} (${channelNames[c]}) of case ${id}`,
        "add the missing channel",
      );
    }
    const label = `${labels}/${id}${fileEnding}`;
    if (!labelled.has(id)) {
      problem(
        label,
        "no such file",
        `the label map of case ${id}`,
        "add it, or remove the images of the case",
      );
    }
    return { id, images: files, label };
  });
  return { cases, problems };
}

async function casesOfMap(
  folder: string,
  { channelNames }: DatasetFields,
  map: Readonly<Record<string, { images: readonly string[]; label: string }>>,
): Promise<CaseList> {
  const problems: string[] = [];
  const at = (path: string) => {
    const expanded = expandVariables(path);
    return expanded.startsWith("/") || /^[A-Za-z]:[\\/]/.test(expanded) ? expanded : `${folder}/${expanded}`;
  };
  const cases = Object.entries(map).map(([id, { images, label }]): DatasetCase => ({
    id,
    images: images.map(at),
    label: at(label),
  }));
  for (const { id, images } of cases) {
    if (images.length === channelNames.length) continue;
    problems.push(problemLine({
      file: `${folder}/dataset.json`,
      found: `${images.length} images of case ${id}`,
      wanted: `${channelNames.length}, one for each channel`,
      remedy: "correct the file map dataset",
    }));
  }
  const files = cases.flatMap(({ id, images, label }) => [...images, label].map((file) => ({ id, file })));
  await mapConcurrent(files, 16, async ({ id, file }) => {
    if (await Deno.stat(file).then((info) => info.isFile || info.isDirectory, () => false)) return;
    problems.push(problemLine({
      file,
      found: "no such file",
      wanted: `a file of case ${id}, as the file map of dataset.json says`,
      remedy: "add the file or correct the map",
    }));
  });
  return { cases, problems: problems.sort(byCodePoint) };
}

async function namesIn(folder: string, ending: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
      .filter((name) => name.endsWith(ending) && !name.startsWith(".")).sort(byCodePoint);
  } catch (error) {
    throw toDataError(error, folder, "list");
  }
}

/** Replaces `$NAME` and `${NAME}` by environment variables; unknown ones stay. */
function expandVariables(path: string): string {
  return path.replace(
    /\$(?:(\w+)|\{(\w+)\})/g,
    (text, plain, braced) => Deno.env.get(plain ?? braced) ?? text,
  );
}
