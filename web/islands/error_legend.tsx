/** @jsxImportSource npm:preact@11.2.0 */
import type { VNode } from "./deps.ts";
import { errorColour } from "./slice_tiles.ts";

const STOPS = [-1, 0, 1];

/** The colours of the error column with their values; `scale` in z-score units. */
export function ErrorLegend({ scale }: { readonly scale: number }): VNode {
  return (
    <figure class="error-legend">
      <svg viewBox="0 0 200 12" width="200" height="12" aria-hidden="true">
        <defs>
          <linearGradient id="error-colours">
            {STOPS.map((stop) => (
              <stop
                key={stop}
                offset={(stop + 1) / 2}
                stop-color={`rgb(${errorColour(stop, 1).join(" ")})`}
              />
            ))}
          </linearGradient>
        </defs>
        <rect width="200" height="12" fill="url(#error-colours)" />
      </svg>
      <figcaption>
        error = reconstruction − original: blue −{scale.toFixed(2)}, black 0, orange +{scale.toFixed(2)}{" "}
        (z-score)
      </figcaption>
    </figure>
  );
}
