import { builtin } from "../builtin.ts";
import { makeFolder, writeFileAtomic, writeJsonAtomic } from "../atomic.ts";
import { z } from "../deps.ts";
import { DataError, toDataError } from "../errors.ts";
import type { Rejection } from "../filters/mod.ts";
import type { StoreVolume } from "../store_index.ts";
import type { RunFacts } from "./outputs.ts";
import type { Part } from "./part.ts";

/** Folder of a store in which parts leave what `mergeParts` joins. */
export const PARTS_FOLDER = "parts";

/** What one part leaves. */
export interface PartFile {
  readonly format: "spark3d-part";
  readonly part: Part;
  /** Digest of the facts that the part worked from: equal for parts of one run. */
  readonly facts: string;
  readonly volumes: readonly StoreVolume[];
  /** Image id and why it was left out, for images whose header was fine. */
  readonly rejected: readonly (readonly [id: string, rejection: Rejection])[];
}

const NAME = /^part-(\d+)-of-(\d+)\.json$/;
const factsName = (digest: string) => `facts-${digest}.json`;
const pad = (value: number) => String(value).padStart(4, "0");

/**
 * Writes what a part found: the facts of the whole run (every part of one run writes the same file) and its own result.
 *
 * @throws {DataError} when they cannot be written
 */
export async function writePart(
  store: string,
  part: Part,
  facts: RunFacts,
  result: Pick<PartFile, "volumes" | "rejected">,
): Promise<void> {
  const folder = `${store}/${PARTS_FOLDER}`, text = JSON.stringify(facts);
  const digest = builtin("node:crypto").createHash("sha256").update(text).digest("hex").slice(0, 16);
  await makeFolder(folder);
  await writeFileAtomic(`${folder}/${factsName(digest)}`, text);
  const content: PartFile = { format: "spark3d-part", part, facts: digest, ...result };
  await writeJsonAtomic(`${folder}/part-${pad(part.index)}-of-${pad(part.count)}.json`, content);
}

/**
 * Reads all parts of a run, in order.
 *
 * @throws {DataError} when there is none, one is missing or damaged, or they are not parts of one run
 */
export async function readParts(store: string): Promise<{ facts: RunFacts; parts: PartFile[] }> {
  const folder = `${store}/${PARTS_FOLDER}`;
  const names = (await partNames(folder, store)).sort();
  const counts = [...new Set(names.map((name) => Number(name.match(NAME)![2])))];
  const refuse = (found: string, wanted: string, remedy: string) =>
    new DataError({ file: folder, action: "merge", found, wanted, remedy });
  if (counts.length > 1) {
    throw refuse(`parts of ${counts.join(" and of ")}`, "parts of one run", "remove those of the other run");
  }
  const [count] = counts, present = new Set(names.map((name) => Number(name.match(NAME)![1])));
  const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !present.has(index));
  if (missing.length > 0) {
    const list = missing.slice(0, 20).map((index) => `${index}/${count}`).join(", ");
    const more = missing.length > 20 ? ` and ${missing.length - 20} more` : "";
    throw refuse(
      `no result of part ${list}${more}`,
      `all ${count} parts`,
      "run the missing parts (--part i/n)",
    );
  }
  const parts: PartFile[] = [];
  for (const name of names) parts.push(await readPart(`${folder}/${name}`));
  const other = parts.find(({ facts }) => facts !== parts[0].facts);
  if (other) {
    const text = `${pad(parts[0].part.index)} and ${pad(other.part.index)}`;
    throw refuse(
      `parts ${text} with other settings or other source files`,
      "parts of one run",
      "run all parts again with the same options; finished volumes are kept",
    );
  }
  const factsPath = `${folder}/${factsName(parts[0].facts)}`;
  return { facts: await readJson(factsPath) as RunFacts, parts };
}

/** Removes the files of parts, once they are merged. */
export async function removeParts(store: string): Promise<void> {
  const folder = `${store}/${PARTS_FOLDER}`;
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toDataError(error, folder, "remove");
  }
}

async function partNames(folder: string, store: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) if (NAME.test(name)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toDataError(error, folder);
  }
  if (names.length > 0) return names;
  throw new DataError({
    file: store,
    action: "merge",
    found: "no finished part",
    wanted: "a store whose parts were prepared with --part i/n",
    remedy: "run the parts first, or prepare it in one piece",
  });
}

const partSchema = z.object({
  format: z.literal("spark3d-part"),
  part: z.object({ index: z.int(), count: z.int() }),
  facts: z.string().regex(/^[0-9a-f]{16}$/),
  volumes: z.array(z.looseObject({ id: z.string() })),
  rejected: z.array(z.tuple([z.string(), z.object({ rule: z.string(), reason: z.string() })])),
});

async function readPart(path: string): Promise<PartFile> {
  const checked = partSchema.safeParse(await readJson(path));
  if (checked.success) return checked.data as unknown as PartFile;
  const issue = checked.error.issues[0];
  throw new DataError({
    file: path,
    found: `${issue.path.join(".")}: ${issue.message}`,
    wanted: "the result of a part",
    remedy: "run that part again",
  });
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, path);
    const fields = {
      file: path,
      found: "damaged JSON",
      wanted: "the result of a part",
      remedy: "run that part again",
    };
    throw new DataError(fields, { cause: error });
  }
}
