/** @jsxImportSource npm:preact@11.2.0 */
import type { VolumesResponse } from "../api.ts";
import { useEffect, useRef, useState, type VNode } from "./deps.ts";
import { formatBytes } from "./format.ts";
import { labelColour } from "./label_colours.ts";
import type { VolumeView, VolumeViewer as OpenViewer } from "./viewer/open_viewer.ts";

/** Address of the bundle with the volume viewer, loaded when the page is opened. */
const VIEWER: string = "/assets/viewer.js";
const VIEWS: readonly VolumeView[] = ["multiplanar", "axial", "coronal", "sagittal", "render"];

/** Volumes of a run and the one that is shown first. */
export interface VolumeViewerProps extends VolumesResponse {
  readonly file: string;
}

/** Segmentations of a run over the images that they belong to. */
export function VolumeViewer(props: VolumeViewerProps): VNode {
  const { run, volumes, classes } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewer = useRef<OpenViewer | null>(null);
  const [file, setFile] = useState(props.file);
  const [state, setState] = useState<string | null>("Loading the volume viewer…");
  const [place, setPlace] = useState("");
  const [opacity, setOpacity] = useState(0.5);
  const [view, setView] = useState<VolumeView>("multiplanar");
  const shown = volumes.find((volume) => volume.file === file) ?? volumes[0];
  useEffect(() => {
    let current = true;
    setState("Loading…");
    setPlace("");
    (async () => {
      const { openViewer }: typeof import("./viewer/open_viewer.ts") = await import(VIEWER);
      const opened = await openViewer({
        canvas: canvas.current!,
        image: shown.image === null ? null : { url: shown.image, name: `${shown.name}_image.nii.gz` },
        labels: { url: shown.url, name: shown.file.slice(shown.file.lastIndexOf("/") + 1) },
        classes,
        onLocation: setPlace,
      });
      if (!current) return opened.close();
      opened.setLabelOpacity(opacity);
      opened.setView(view);
      viewer.current = opened;
      setState(null);
    })().catch((error) => current && setState((error as Error).message));
    return () => {
      current = false;
      viewer.current?.close();
      viewer.current = null;
    };
  }, [shown.file]);
  useEffect(() => viewer.current?.setLabelOpacity(opacity), [opacity]);
  useEffect(() => viewer.current?.setView(view), [view]);
  return (
    <section class="volume-viewer" aria-label="Volume">
      <div class="toolbar">
        <label>
          Volume
          <select value={shown.file} onChange={(event) => setFile(event.currentTarget.value)}>
            {volumes.map(({ file, bytes }) => (
              <option key={file} value={file}>{file} ({formatBytes(bytes)})</option>
            ))}
          </select>
        </label>
        <label>
          View
          <select value={view} onChange={(event) => setView(event.currentTarget.value as VolumeView)}>
            {VIEWS.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <label>
          Label opacity
          <input
            type="range"
            min={0}
            max={1}
            step={0.05}
            value={opacity}
            onInput={(event) => setOpacity(event.currentTarget.valueAsNumber)}
          />
        </label>
        <button
          type="button"
          disabled={state !== null}
          onClick={() => viewer.current?.savePicture(shown.name)}
        >
          PNG
        </button>
        <a href={shown.url} download>Download</a>
      </div>
      {shown.image === null && (
        <p class="muted">The image of this case lies outside the folders of the dashboard: labels alone.</p>
      )}
      {state && <p role="status">{state}</p>}
      <div class="volume-canvas">
        <canvas
          key={shown.file}
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={`${shown.name} of ${run}: drag or use the mouse wheel to move through the slices`}
        />
      </div>
      <p class="muted" role="status">{place}</p>
      <ul class="legend" aria-label="Classes">
        {classes.map((name, i) => (
          <li key={name}>
            <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
              <rect width="12" height="12" fill={`rgb(${labelColour(i + 1).join(" ")})`} />
            </svg>{" "}
            {name}
          </li>
        ))}
      </ul>
    </section>
  );
}
