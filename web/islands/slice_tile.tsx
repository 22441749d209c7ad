/** @jsxImportSource npm:preact@11.2.0 */
import { useEffect, useRef, type VNode } from "./deps.ts";
import { paintTile, tileHeight } from "./paint_tile.ts";
import { drawTile, type TileRequest } from "./slice_tiles.ts";

/** A tile and what dragging over it does, in CSS px since the last call. */
export interface SliceTileProps extends TileRequest {
  readonly onDrag: (right: number, down: number) => void;
}

/** One plane of one patch on a canvas, as sharp as the screen allows. */
export function SliceTile({ onDrag, ...request }: SliceTileProps): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const tile = drawTile(request);
  const paint = () => {
    const element = canvas.current;
    if (!element || !tile) return;
    const width = Math.max(1, Math.round(element.clientWidth * devicePixelRatio));
    const height = tileHeight(tile, width);
    if (element.width !== width || element.height !== height) Object.assign(element, { width, height });
    const scale = devicePixelRatio * parseFloat(getComputedStyle(element).fontSize) / 15;
    paintTile(element.getContext("2d")!, tile, request.view, { x: 0, y: 0, width, height }, scale);
  };
  const newest = useRef(paint);
  newest.current = paint;
  useEffect(paint);
  useEffect(() => {
    const observer = new ResizeObserver(() => newest.current());
    observer.observe(canvas.current!);
    return () => observer.disconnect();
  }, []);
  const { column, view: { label } } = request;
  const drag = (event: PointerEvent) => {
    if (event.buttons === 1) onDrag(event.movementX, event.movementY);
  };
  return (
    <figure class="slice">
      <canvas
        ref={canvas}
        role="img"
        aria-label={`${label}, ${column}${tile ? "" : ", not there yet"}`}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={drag}
      />
      <figcaption>{column}</figcaption>
    </figure>
  );
}
