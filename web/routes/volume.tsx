/** @jsxImportSource npm:preact@11.2.0 */
import { Island } from "../island.tsx";
import { HttpError, type Route } from "../route.ts";
import { runVolumes } from "../runs/stored_files.ts";

/** Segmentations of a run in three dimensions. */
export const volumeRoute: Route = {
  method: "GET",
  path: "/run/:id/volume",
  async handle({ params: { id }, url, dashboard }) {
    const found = await runVolumes(dashboard.runs, id);
    const file = url.searchParams.get("file") ?? found.volumes[0]?.file;
    if (file !== undefined && !found.volumes.some((volume) => volume.file === file)) {
      throw new HttpError(404, `Found no volume ${file} in ${id}: choose one of its list`);
    }
    return {
      title: `Volumes of ${id}`,
      run: { id, tab: "volume" },
      body: (
        <>
          <h1>Volumes</h1>
          {file === undefined
            ? (
              <p class="empty">
                No volumes yet: a fine-tuning writes its segmentations of the validation cases at its end.
              </p>
            )
            : <Island name="VolumeViewer" props={{ ...found, file }} />}
        </>
      ),
    };
  },
};
