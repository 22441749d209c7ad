/** @jsxImportSource npm:preact@11.2.0 */
import type { MemoryPlan } from "../../train/memory_plan.ts";
import { useEffect, useMemo, useRef, useState, type VNode } from "./deps.ts";
import { downloadCanvas } from "./download_canvas.ts";
import { formatBytes, formatValue } from "./format.ts";
import { layoutMemoryPlan, mebibyteTicks, type MemoryBox, type MemoryLayout } from "./memory_plan_layout.ts";
import { requestJson } from "./request_json.ts";
import { svgPicture } from "./svg_picture.ts";

const WIDTH = 960, HEIGHT = 420, LEFT = 78, BOTTOM = 34, TOP = 6;
const KINDS = {
  held: "held all the time",
  encoder: "encoder",
  decoder: "decoder",
  other: "loss, mask, others",
  free: "free room of a slot",
} as const;

/** One sentence about a rectangle. */
export function describeBox(box: MemoryBox): string {
  const size = formatBytes(box.bytes);
  if (box.kind === "held") return `${box.name}: ${size}, held all the time`;
  if (box.kind === "free") return `${box.name}: ${size}, shared by all phases`;
  return `${box.name}: ${size} from dispatch ${box.first} to ${box.last} of ${box.phase}`;
}

/** The stacked picture of a plan's memory; draws the same on the server, in the browser and in a snapshot. */
export function MemoryPlanPicture(
  { layout, selected, onSelect }: {
    readonly layout: MemoryLayout;
    /** Index of the framed rectangle, null for none. */
    readonly selected?: number | null;
    readonly onSelect?: (index: number) => void;
  },
): VNode {
  const { boxes, phases, dispatches, bytes } = layout;
  const x = (dispatch: number) => LEFT + dispatch / Math.max(1, dispatches) * (WIDTH - LEFT);
  const y = (height: number) => HEIGHT - BOTTOM - height / Math.max(1, bytes) * (HEIGHT - BOTTOM - TOP);
  const place = ({ start, span, bottom, bytes }: MemoryBox) => ({
    x: x(start).toFixed(2),
    y: y(bottom + bytes).toFixed(2),
    width: Math.max(0.4, x(start + span) - x(start)).toFixed(2),
    height: Math.max(0.2, y(bottom) - y(bottom + bytes)).toFixed(2),
  });
  return (
    <svg class="memory-plan" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={summary(layout)}>
      {mebibyteTicks(bytes).map((mib) => (
        <g key={mib}>
          <line class="grid" x1={LEFT} x2={WIDTH} y1={y(mib * 2 ** 20)} y2={y(mib * 2 ** 20)} />
          <text x={LEFT - 6} y={y(mib * 2 ** 20) + 4} text-anchor="end">{mib} MiB</text>
        </g>
      ))}
      {boxes.map((box, i) => (
        <rect
          key={i}
          class={`memory-${box.kind}`}
          {...place(box)}
          onPointerEnter={() => onSelect?.(i)}
        >
          <title>{describeBox(box)}</title>
        </rect>
      ))}
      {boxes.filter(({ kind, bytes: size }) => kind === "held" && y(0) - y(size) > 15).map((box) => (
        <text key={box.name} class="memory-name" x={LEFT + 6} y={y(box.bottom) - 4}>{box.name}</text>
      ))}
      {phases.map(({ name, start, span }) => (
        <g key={name}>
          <line class="phase" x1={x(start)} x2={x(start)} y1={TOP} y2={HEIGHT - BOTTOM + 6} />
          {span > dispatches / 25 && <text x={x(start) + 4} y={HEIGHT - BOTTOM + 18}>{name}</text>}
        </g>
      ))}
      {selected !== null && selected !== undefined && boxes[selected] && (
        <rect class="memory-selected" {...place(boxes[selected])} />
      )}
    </svg>
  );
}

function summary({ boxes, phases, dispatches, bytes }: MemoryLayout): string {
  const held = boxes.reduce((sum, box) => box.kind === "held" ? sum + box.bytes : sum, 0);
  return `GPU memory over ${dispatches} dispatches in ${phases.length} phases: ${formatBytes(bytes)}, ` +
    `of which ${formatBytes(held)} are held all the time`;
}

/** The memory plan of a run: a picture to point at or to walk through with the arrow keys, and its numbers as a table. */
export function MemoryPlanPanel({ run }: { readonly run: string }): VNode {
  const [plan, setPlan] = useState<MemoryPlan | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [selected, setSelected] = useState<number | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    requestJson<MemoryPlan>(`/api/file?${new URLSearchParams({ run, file: "plan.json" })}`)
      .then(setPlan, (cause) => setError((cause as Error).message));
  }, [run]);
  const layout = useMemo(() => plan && layoutMemoryPlan(plan), [plan]);
  if (!layout) return <p class="empty" role="status">{error ?? "Loading the memory plan…"}</p>;
  const walk = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const count = layout.boxes.length;
    setSelected(selected === null ? 0 : (selected + by + count) % count);
  };
  const savePng = () => {
    svgPicture(holder.current!.querySelector("svg")!)
      .then((canvas) => downloadCanvas(canvas, `${run} memory`), (cause) => setError(String(cause)));
  };
  return (
    <section class="memory-panel" aria-label="GPU memory plan">
      <div class="toolbar">
        {summary(layout)}
        <button type="button" onClick={savePng}>PNG</button>
      </div>
      <div
        ref={holder}
        class="scroll"
        tabIndex={0}
        role="group"
        aria-label="Memory picture; arrow keys go from tensor to tensor"
        onKeyDown={walk}
      >
        <MemoryPlanPicture layout={layout} selected={selected} onSelect={setSelected} />
      </div>
      <p class="memory-reading" role="status">
        {selected === null ? "Point at a tensor, or use the arrow keys" : describeBox(layout.boxes[selected])}
      </p>
      {error && <p role="alert">{error}</p>}
      <MemoryPlanLegend />
      <details>
        <summary>Memory plan as tables</summary>
        <MemoryPlanTables layout={layout} />
      </details>
    </section>
  );
}

/** What the colours of the picture mean. */
export function MemoryPlanLegend(): VNode {
  return (
    <ul class="legend">
      {Object.entries(KINDS).map(([kind, label]) => (
        <li key={kind}>
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            <rect class={`memory-${kind}`} width="12" height="12" />
          </svg>{" "}
          {label}
        </li>
      ))}
    </ul>
  );
}

const LARGEST = 20;

/** The numbers behind the picture: what is held, the largest tensors, the phases. */
export function MemoryPlanTables({ layout }: { readonly layout: MemoryLayout }): VNode {
  const held = layout.boxes.filter(({ kind }) => kind === "held");
  const tensors = layout.boxes.filter(({ kind }) => kind !== "held" && kind !== "free")
    .sort((a, b) => b.bytes - a.bytes).slice(0, LARGEST);
  return (
    <div class="memory-tables">
      <table>
        <caption>Held all the time</caption>
        <tbody>
          {held.map(({ name, bytes }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{formatBytes(bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <table>
        <caption>Phases</caption>
        <tbody>
          {layout.phases.map(({ name, span, flop }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{span} dispatches</td>
              <td class="number">{formatValue(flop, "FLOP")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <table>
        <caption>Largest tensors</caption>
        <tbody>
          {tensors.map((box, i) => (
            <tr key={i}>
              <th scope="row">{box.name}</th>
              <td>{box.phase}, {box.first} to {box.last}</td>
              <td class="number">{formatBytes(box.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
