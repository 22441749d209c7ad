/** @jsxImportSource npm:preact@11.2.0 */
import { intensityWindow } from "../../data/patch_views.ts";
import type { VNode } from "./deps.ts";
import type { Window } from "./slice_tiles.ts";
import type { SliceOriginals } from "./slices.ts";

/** Window of a run's pictures: the 1st to 99th percentile of all its patches; errors up to half of that. */
export function defaultWindow({ original }: Pick<SliceOriginals, "original">): Window {
  const [low, high] = intensityWindow(original.flatMap(({ values }) => Array.from(values)));
  const width = Math.max(high - low, 0.01);
  return { level: round((low + high) / 2), width: round(width), error: round(width / 2) };
}

/** Window after a drag: to the right widens, downwards darkens, the whole width within 300 px. */
export function dragWindow(window: Window, start: Window, right: number, down: number): Window {
  const width = Math.max(0.01, window.width + right * start.width / 300);
  return { ...window, width: round(width), level: round(window.level + down * start.width / 300) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** What the fields show and report. */
export interface WindowControlsProps {
  readonly window: Window;
  readonly onChange: (window: Window) => void;
  readonly onReset: () => void;
}

const FIELDS = [
  { key: "level", label: "Level", hint: "middle of the grey scale", smallest: undefined },
  { key: "width", label: "Window", hint: "from black to white", smallest: 0.01 },
  { key: "error", label: "Error scale ±", hint: "error with the full colour", smallest: 0.01 },
] as const;

/** Number fields of window, level and error scale; intensities are z-scores. */
export function WindowControls({ window, onChange, onReset }: WindowControlsProps): VNode {
  return (
    <div class="toolbar">
      <fieldset>
        <legend>Window and level in z-scores; dragging over a picture changes them too</legend>
        {FIELDS.map(({ key, label, hint, smallest }) => (
          <label key={key} title={hint}>
            {label}
            <input
              type="number"
              step="0.05"
              min={smallest}
              value={window[key]}
              onChange={(event) => {
                const value = event.currentTarget.valueAsNumber;
                if (Number.isFinite(value) && value >= (smallest ?? -Infinity)) {
                  onChange({ ...window, [key]: value });
                }
              }}
            />
          </label>
        ))}
        <button type="button" onClick={onReset}>Reset</button>
      </fieldset>
    </div>
  );
}
