import type { Output } from "./output.ts";

/** What {@linkcode prepareData} is asked for. */
export interface PrepareRequest {
  /** folder of volumes: BIDS, or any folder of NIfTI files */
  readonly source: string;
  /** store to write */
  readonly out: string;
  /** voxel size to resample to, mm; null keeps each volume's own */
  readonly spacing: readonly [number, number, number] | null;
  readonly signal?: AbortSignal;
}

/** Prepares a folder of volumes and shows how far it is; files that cannot be used are named as warnings. */
export async function prepareData(request: PrepareRequest, output: Output) {
  const { prepareDataset } = await import("../data/store.ts");
  output.log(`preparing ${request.source}`);
  const bar = output.progress("prepare", 0);
  const summary = await prepareDataset({
    ...request,
    onProgress: (done: number, total: number) => bar.update(done, "", total),
  });
  bar.end();
  return summary;
}
