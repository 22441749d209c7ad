import type { EvaluatedClass } from "../evaluate/types.ts";
import { InvalidArgumentError } from "./deps.ts";
import { CliError, UsageError } from "./errors.ts";
import { dirname, exists, join, readJson, resolve } from "./paths.ts";

/** What a segmentation is judged by. */
export interface EvaluatedClasses {
  readonly classes: readonly EvaluatedClass[];
  readonly ignore: number | null;
}

/**
 * Parser of classes on the command line: values separated by commas, a region as a sum, each with a name if wanted:
 * `1,2,3`, `liver=1,kidneys=2+3`.
 */
export function classList(text: string): EvaluatedClass[] {
  return text.split(",").map((part) => {
    const [, name, sum] = /^(?:([^=]+)=)?(\d+(?:\+\d+)*)$/.exec(part.trim()) ?? [];
    if (sum === undefined) {
      throw new InvalidArgumentError("Expected label values such as 1,2,3 or liver=1,kidneys=2+3.");
    }
    return { name: name ?? sum, values: sum.split("+").map(Number) };
  });
}

/** Parser of tolerances in mm: one for all classes, one for each, or by name: `1`, `1,2,1`, `liver=2,kidneys=1`. */
export function toleranceList(text: string): readonly { readonly name?: string; readonly mm: number }[] {
  return text.split(",").map((part) => {
    const [, name, mm] = /^(?:([^=]+)=)?(\d+(?:\.\d*)?|\.\d+)$/.exec(part.trim()) ?? [];
    if (mm === undefined) {
      throw new InvalidArgumentError("Expected distances in mm such as 1 or liver=2,kidneys=1.");
    }
    return { ...(name === undefined ? {} : { name }), mm: Number(mm) };
  });
}

/** Tolerance of each class, from what `toleranceList` found. @throws {UsageError} when names or their number do not fit the classes */
export function classTolerances(
  list: ReturnType<typeof toleranceList>,
  classes: readonly EvaluatedClass[],
  otherwise: number,
): number[] {
  const names = classes.map(({ name }) => name).join(", ");
  if (list.some(({ name }) => name !== undefined)) {
    const unknown = list.find(({ name }) => !classes.some((item) => item.name === name));
    if (unknown) {
      throw new UsageError(
        `Cannot use tolerance ${
          unknown.name ?? unknown.mm
        }: found no class of that name, wanted one of ${names}`,
      );
    }
    return classes.map((item) => list.find(({ name }) => name === item.name)?.mm ?? otherwise);
  }
  if (list.length === 1) return classes.map(() => list[0].mm);
  if (list.length === classes.length) return list.map(({ mm }) => mm);
  throw new UsageError(
    `Cannot use ${list.length} tolerances: wanted one, or one for each of the ${classes.length} classes (${names})`,
  );
}

/**
 * Classes of a data set: from `dataset`, otherwise from the dataset.json beside the folder of labels, in the folder of segmentations or
 * beside it.
 *
 * @throws {CliError} when there is none
 */
export async function datasetClasses(
  segmentations: string,
  labels: string,
  dataset?: string,
): Promise<EvaluatedClasses> {
  const file = dataset ?? await findDataset(segmentations, labels);
  const { parseLabels } = await import("../data/nnunet/labels.ts");
  const { foreground, ignore } = parseLabels(await readJson(file), file);
  return { classes: foreground, ignore };
}

async function findDataset(segmentations: string, labels: string): Promise<string> {
  const beside = (folder: string) => join(dirname(resolve(folder)), "dataset.json");
  const places = [beside(labels), join(segmentations, "dataset.json"), beside(segmentations)];
  for (const place of places) if (await exists(place)) return place;
  throw new CliError(
    `Cannot evaluate ${segmentations}: found no dataset.json beside ${labels} or ${segmentations}, wanted the names and values ` +
      "of the labels: give --dataset FILE or --classes 1,2,3",
  );
}
