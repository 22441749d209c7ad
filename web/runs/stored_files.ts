import type { SliceIndex, VolumesResponse } from "../api.ts";
import { resolveInside } from "../resolve_inside.ts";
import { stat } from "./log_source.ts";
import { readJson } from "./read_json.ts";
import { classNames } from "./run_detail.ts";
import type { RunStore } from "./run_store.ts";

/** Volumes that a page lists. */
const MAX_VOLUMES = 500;

/** Stored slices of a run. @throws {HttpError} 404 when there is no such run */
export async function sliceIndex(store: RunStore, run: string): Promise<SliceIndex> {
  const folder = await store.folder(run);
  const reference = await resolveInside(folder, "slices/reference.safetensors");
  const steps = (await fileNames(`${folder}/slices`)).flatMap((name) => {
    const step = /^step_(\d{8,})\.safetensors$/.exec(name);
    return step ? [{ step: Number(step[1]), file: `slices/${name}` }] : [];
  });
  return {
    run,
    reference: reference && "slices/reference.safetensors",
    steps: steps.sort((a, b) => a.step - b.step),
  };
}

/** Volumes in a run's folder and the folders in it, with the images they belong to. @throws {HttpError} 404 when there is no such run */
export async function runVolumes(store: RunStore, run: string): Promise<VolumesResponse> {
  const folder = await store.folder(run), query = `run=${encodeURIComponent(run)}`;
  const volumes: VolumesResponse["volumes"][number][] = [];
  for (const inner of ["", ...await fileNames(folder, true)]) {
    const names = (await fileNames(`${folder}/${inner}`)).filter((name) => /\.nii(\.gz)?$/.test(name));
    for (const name of names.sort().slice(0, MAX_VOLUMES - volumes.length)) {
      const file = inner === "" ? name : `${inner}/${name}`;
      const id = name.replace(/\.nii(\.gz)?$/, "");
      volumes.push({
        file,
        name: id,
        bytes: stat(`${folder}/${file}`)?.size ?? 0,
        url: `/api/file?${query}&file=${encodeURIComponent(file)}`,
        image: await caseImage(store, run, id) && `/api/image?${query}&case=${encodeURIComponent(id)}`,
      });
    }
  }
  return { run, volumes, classes: await classNames(folder) };
}

/**
 * Real path of the first channel of a case: in the data set that the run, or for one of several folds the folder above, was started
 * with, or the one of the same name in a `datasets` folder above the run, as a study has it; null where there is none below the roots.
 *
 * @throws {HttpError} 404 when there is no such run
 */
export async function caseImage(store: RunStore, run: string, id: string): Promise<string | null> {
  if (id === "" || /[/\\]/.test(id)) return null;
  const folder = await store.folder(run);
  const parts = folder.split("/");
  const above = store.roots.includes(folder) ? null : parts.slice(0, -1).join("/");
  const { file_ending: ending = ".nii.gz", name } = await readJson(folder, "dataset.json") ?? {};
  const inputs = await readJson(folder, "inputs.json") ?? (above && await readJson(above, "inputs.json"));
  const candidates = inputs && typeof inputs.dataset === "string" ? [inputs.dataset] : [];
  for (let depth = parts.length - 1; depth > 0 && typeof name === "string"; depth--) {
    candidates.push(`${parts.slice(0, depth).join("/")}/datasets/${name}`);
  }
  for (const candidate of candidates) {
    const dataset = await Deno.realPath(candidate).catch(() => null);
    const root = store.roots.find((one) => dataset === one || dataset?.startsWith(`${one}/`));
    if (dataset === null || root === undefined) continue;
    const inside = `${dataset.slice(root.length + 1)}/imagesTr/${id}_0000${ending}`.replace(/^\//, "");
    const image = await resolveInside(root, inside);
    if (image !== null) return image;
  }
  return null;
}

/** Names of the files, or of the folders, in a folder; none where it cannot be listed. */
async function fileNames(path: string, folders = false): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) {
      if (folders ? entry.isDirectory : entry.isFile) names.push(entry.name);
    }
  } catch {
    // not there: no names
  }
  return names;
}
