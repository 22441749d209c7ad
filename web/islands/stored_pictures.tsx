/** @jsxImportSource npm:preact@11.2.0 */
import { useState, type VNode } from "./deps.ts";
import { formatNumber } from "./format.ts";
import { StepSlider } from "./step_slider.tsx";

/** Pictures that a run drew itself. */
export interface StoredPicturesProps {
  readonly run: string;
  /** Files as "pictures/step_00000500.png", in order; at least one. */
  readonly pictures: readonly string[];
}

/** The pictures of a run that keeps no slices, over its history. */
export function StoredPictures({ run, pictures }: StoredPicturesProps): VNode {
  const [position, setPosition] = useState(pictures.length - 1);
  const steps = pictures.map((file) => Number(/\d+/.exec(file)?.[0] ?? 0));
  const url = `/api/file?${new URLSearchParams({ run, file: pictures[position] })}`;
  return (
    <section aria-label="Reconstructions">
      <StepSlider steps={steps} value={position} onChange={setPosition} />
      <img
        class="stored-picture"
        src={url}
        alt={`Reconstruction after step ${formatNumber(steps[position])}`}
      />
      <p>
        <a href={url} download>PNG</a>
      </p>
    </section>
  );
}
