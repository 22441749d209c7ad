/** @jsxImportSource npm:preact@11.2.0 */
import type { PatchView } from "../../data/patch_views.ts";
import type { SliceIndex } from "../api.ts";
import { useEffect, useMemo, useState, type VNode } from "./deps.ts";
import { downloadCanvas } from "./download_canvas.ts";
import { ErrorLegend } from "./error_legend.tsx";
import { formatNumber } from "./format.ts";
import { useLive } from "./live.ts";
import { requestJson } from "./request_json.ts";
import { slicePicture } from "./slice_picture.ts";
import { SliceTile } from "./slice_tile.tsx";
import { SLICE_COLUMNS, viewsOf, type Window } from "./slice_tiles.ts";
import { StepSlider } from "./step_slider.tsx";
import { useSlices } from "./use_slices.ts";
import { defaultWindow, dragWindow, WindowControls } from "./window_controls.tsx";

/** The slices that a run has when the page is served. */
export interface SliceViewerProps {
  readonly index: SliceIndex;
}

/**
 * The fixed validation patches of a pre-training: original, masked, reconstruction and error in three planes, over the run's history.
 * It stays at the newest step until somebody moves the slider back.
 */
export function SliceViewer(props: SliceViewerProps): VNode {
  const [index, setIndex] = useState(props.index);
  useLive([index.run], (message) => {
    const news = message.type === "reset" ||
      message.type === "events" && message.events.some(({ type }) => type === "slices");
    if (news) {
      requestJson<SliceIndex>(`/api/slices?${new URLSearchParams({ run: index.run })}`).then(
        setIndex,
        () => {},
      );
    }
  });
  const [chosen, setChosen] = useState<number | null>(null);
  const [patch, setPatch] = useState(0);
  const [onlyHidden, setOnlyHidden] = useState(true);
  const [changed, setChanged] = useState<Window | null>(null);
  const last = index.steps.length - 1;
  const position = Math.min(chosen ?? last, last);
  const { originals, outputs, error } = useSlices(index, position);
  const initial = useMemo(() => originals && defaultWindow(originals), [originals]);
  useEffect(() => setChanged(null), [initial]);
  if (!originals || !initial || last < 0) {
    const waiting = last < 0
      ? "No reconstruction yet: the first comes with the first validation"
      : "Loading slices…";
    return <p class="empty" role="status">{error ?? waiting}</p>;
  }
  const window = changed ?? initial;
  const nameOf = (i: number) => originals.patches[i].case.split("__").slice(-3).join(" ");
  const caption = `${index.run}, ${nameOf(patch)}, ` +
    (outputs ? `step ${formatNumber(outputs.step)}, validation loss ${formatNumber(outputs.valLoss)}` : "");
  const request = { originals, outputs, patch, window, onlyHidden };
  return (
    <section class="slice-viewer" aria-label="Reconstructions">
      <StepSlider
        steps={index.steps.map(({ step }) => step)}
        value={position}
        onChange={(value) => setChosen(value === last ? null : value)}
      />
      <div class="toolbar">
        <label>
          Patch
          <select value={patch} onChange={(event) => setPatch(Number(event.currentTarget.value))}>
            {originals.patches.map((_, i) => <option key={i} value={i}>{i + 1}: {nameOf(i)}</option>)}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={onlyHidden}
            onChange={(event) => setOnlyHidden(event.currentTarget.checked)}
          />
          reconstruction and error in hidden places only
        </label>
        <button
          type="button"
          onClick={() => downloadCanvas(slicePicture({ ...request, caption }), caption)}
        >
          PNG
        </button>
      </div>
      {error && <p role="alert">{error}</p>}
      {outputs && (
        <p class="muted" role="status">
          Validation loss {formatNumber(outputs.valLoss)} after step {formatNumber(outputs.step)}
        </p>
      )}
      <WindowControls window={window} onChange={setChanged} onReset={() => setChanged(null)} />
      {viewsOf(originals).map((view) => (
        <section key={view.label} class="slice-row" aria-label={titleOf(view)}>
          <h3>{titleOf(view)}</h3>
          {SLICE_COLUMNS.map((column) => (
            <SliceTile
              key={column}
              {...request}
              view={view}
              column={column}
              onDrag={(right, down) =>
                setChanged((old) => dragWindow(old ?? initial, initial, right, down))}
            />
          ))}
        </section>
      ))}
      <ErrorLegend scale={window.error} />
    </section>
  );
}

/** Heading of a row. */
function titleOf({ label }: PatchView): string {
  return label[0].toUpperCase() + label.slice(1);
}
