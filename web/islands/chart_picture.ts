import { uPlot } from "./deps.ts";
import { lineStyle, themeColor } from "./plot_options.ts";

/** A chart as a picture of its own: title above, legend below, in the colours of the present theme. */
export function chartPicture(plot: uPlot, title: string, labels: readonly string[]): HTMLCanvasElement {
  const source = plot.ctx.canvas, scale = devicePixelRatio, line = 20 * scale;
  const perRow = Math.max(1, Math.floor(source.width / (180 * scale)));
  const canvas = document.createElement("canvas");
  canvas.width = source.width;
  canvas.height = source.height + line * (2.5 + Math.ceil(labels.length / perRow));
  const context = canvas.getContext("2d")!;
  context.fillStyle = themeColor("panel");
  context.fillRect(0, 0, canvas.width, canvas.height);
  const family = getComputedStyle(document.body).fontFamily;
  const write = (text: string, x: number, y: number) => context.fillText(text, x, y);
  context.fillStyle = themeColor("text");
  context.font = `600 ${14 * scale}px ${family}`;
  write(title, 10 * scale, line);
  context.drawImage(source, 0, 1.5 * line);
  context.font = `${12 * scale}px ${family}`;
  context.lineWidth = 2 * scale;
  labels.forEach((label, i) => {
    const x = (10 + 180 * (i % perRow)) * scale, y = source.height + line * (2.25 + Math.floor(i / perRow));
    const { color, dash } = lineStyle(i);
    context.strokeStyle = themeColor(`data-${color}`);
    context.setLineDash(dash.map((length) => length * scale));
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + 20 * scale, y);
    context.stroke();
    write(label, x + 26 * scale, y + 4 * scale);
  });
  return canvas;
}
