/** @jsxImportSource npm:preact@11.2.0 */
import { useEffect, useState, type VNode } from "./deps.ts";
import { formatNumber } from "./format.ts";

/** A place in the history of a run. */
export interface StepSliderProps {
  /** Steps with a picture, in order; at least one. */
  readonly steps: readonly number[];
  /** Index into `steps`. */
  readonly value: number;
  readonly onChange: (index: number) => void;
}

const FRAME_MS = 500;

/** A slider over the steps with a picture (arrow keys, Home and End move it) and a button that plays them. */
export function StepSlider({ steps, value, onChange }: StepSliderProps): VNode {
  const [playing, setPlaying] = useState(false);
  const last = steps.length - 1;
  useEffect(() => {
    if (!playing) return;
    if (value >= last) return setPlaying(false);
    const timer = setTimeout(() => onChange(value + 1), FRAME_MS);
    return () => clearTimeout(timer);
  }, [playing, value, last]);
  const toggle = () => {
    if (!playing && value >= last) onChange(0);
    setPlaying(!playing);
  };
  const text = `step ${formatNumber(steps[value])}`;
  return (
    <div class="toolbar step-slider">
      <button type="button" onClick={toggle} disabled={last < 1}>{playing ? "Pause" : "Play"}</button>
      <input
        type="range"
        aria-label="Training step"
        aria-valuetext={text}
        min={0}
        max={last}
        value={value}
        disabled={last < 1}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output>{text} ({value + 1} of {steps.length})</output>
    </div>
  );
}
