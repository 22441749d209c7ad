/** @jsxImportSource npm:preact@11.2.0 */
import { Island } from "../island.tsx";
import type { Route } from "../route.ts";
import { runDetail } from "../runs/run_detail.ts";
import { sliceIndex } from "../runs/stored_files.ts";

/** What a run reconstructed: slices over its history, or the stored pictures of one that keeps no slices. */
export const picturesRoute: Route = {
  method: "GET",
  path: "/run/:id/pictures",
  async handle({ params: { id }, dashboard }) {
    const index = await sliceIndex(dashboard.runs, id);
    const { info, pictures } = await runDetail(dashboard.runs, id, false);
    const body = info.kind === "finetuning"
      ? (
        <p class="empty">
          A fine-tuning has no reconstructions. Its segmentations are under{" "}
          <a href={`/run/${encodeURIComponent(id)}/volume`}>Volumes</a>.
        </p>
      )
      : index.reference === null && pictures.length > 0
      ? <Island name="StoredPictures" props={{ run: id, pictures }} />
      : <Island name="SliceViewer" props={{ index }} />;
    return {
      title: `Pictures of ${id}`,
      run: { id, tab: "pictures" },
      body: (
        <>
          <h1>Reconstructions</h1>
          {body}
        </>
      ),
    };
  },
};
