import { type Child, element, joinMarkup, Markup } from "./markup.ts";
import { fitText } from "./text.ts";

/** Numbers behind a figure, for readers who do not see it. */
export interface FigureTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A drawing with its numbers. */
export interface Figure {
  /** Stem of its file and prefix of its ids: lower case, digits and `_`. */
  readonly name: string;
  readonly title: string;
  /** What is drawn, in one sentence. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
  /** Content of the `svg` element. */
  readonly body: readonly Child[];
  readonly table: FigureTable;
  /** Its parts have titles of their own, so that none is drawn above it. */
  readonly untitled?: boolean;
}

/** Width of a figure in its own units, which are CSS px at its natural size. */
export const FIGURE_WIDTH = 400;
/** Font size of labels. */
export const FONT_SIZE = 13;
const TITLE_HEIGHT = 30;

/** Colours of a figure. The pair of blue and orange is told apart with every common colour blindness (Okabe and Ito 2008). */
export interface Palette {
  readonly paper: string;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly bar: string;
}

/** Colours on white. */
export const LIGHT: Palette = {
  paper: "#ffffff",
  text: "#1b1f24",
  muted: "#57606a",
  line: "#d0d7de",
  bar: "#0072b2",
};

/** Colours on black. */
export const DARK: Palette = {
  paper: "#0d1117",
  text: "#e6edf3",
  muted: "#9aa5b1",
  line: "#3d444d",
  bar: "#56b4e9",
};

/** Style rules of the classes that figures use; `colour` gives the value for each name of the palette. */
export function figureStyle(colour: (name: keyof Palette) => string): string {
  return [
    `.figure text{font:${FONT_SIZE}px system-ui,"Helvetica Neue",Arial,sans-serif;fill:${colour("text")}}`,
    `.figure .muted{fill:${colour("muted")}}`,
    `.figure .small{font-size:12px}`,
    `.figure .title{font-size:15px;font-weight:600}`,
    `.figure .bar{fill:${colour("bar")}}`,
    `.figure .unstated{fill:none;stroke:${colour("muted")};stroke-dasharray:3 2}`,
    `.figure .line{stroke:${colour("line")};fill:none}`,
    `.figure .end{text-anchor:end}`,
    `.figure .middle{text-anchor:middle}`,
  ].join("\n");
}

/** The figure for a page whose style sheet has `figureStyle`. */
export function inlineFigure(figure: Figure): Markup {
  const { name, width, height, body } = figure;
  return element("svg", {
    class: "figure",
    viewBox: `0 0 ${round(width)} ${round(height)}`,
    width,
    height,
    role: "img",
    "aria-labelledby": `${name}-title ${name}-description`,
  }, [...accessibleName(figure), ...body]);
}

/** The figure as a file of its own, on white, with its title. */
export function figureFile(figure: Figure): string {
  const { title, width, height, body, untitled } = figure;
  if (untitled) return svgFile(figure, width, height, body);
  const text = svgText(fitText(title, width - 8, 15), 4, 20, "title");
  return svgFile(figure, width, height + TITLE_HEIGHT, [text, group(0, TITLE_HEIGHT, body)]);
}

/** Several figures beside and below one another in one file, lettered in reading order. */
export function figurePanels(panels: readonly Figure[], columns: number): Figure {
  const gap = 28;
  const bottoms = new Array<number>(columns).fill(0);
  const body = panels.map((panel, i) => {
    const column = bottoms.indexOf(Math.min(...bottoms));
    const x = column * (FIGURE_WIDTH + gap), y = bottoms[column];
    bottoms[column] += panel.height + TITLE_HEIGHT + gap;
    const letter = String.fromCharCode(97 + i);
    const title = svgText(fitText(`${letter}  ${panel.title}`, FIGURE_WIDTH, 15), 4, 20, "title");
    return group(x, y, [title, group(0, TITLE_HEIGHT, panel.body)]);
  });
  return {
    name: "cohort",
    title: "Cohort",
    description: panels.map(({ title }, i) => `${String.fromCharCode(97 + i)}: ${title}`).join("; "),
    width: columns * (FIGURE_WIDTH + gap) - gap,
    height: Math.max(...bottoms) - gap,
    body,
    table: { head: [], rows: [] },
    untitled: true,
  };
}

function svgFile(figure: Figure, width: number, height: number, body: readonly Child[]): string {
  const { name } = figure;
  const margin = 12;
  const svg = element("svg", {
    xmlns: "http://www.w3.org/2000/svg",
    class: "figure",
    viewBox: `${-margin} ${-margin} ${round(width) + 2 * margin} ${round(height) + 2 * margin}`,
    width: width + 2 * margin,
    height: height + 2 * margin,
    role: "img",
    "aria-labelledby": `${name}-title ${name}-description`,
  }, [
    ...accessibleName(figure),
    new Markup(`<style>${figureStyle((colour) => LIGHT[colour])}</style>`),
    element("rect", {
      x: -margin,
      y: -margin,
      width: width + 2 * margin,
      height: height + 2 * margin,
      fill: LIGHT.paper,
    }),
    ...body,
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${svg.text}\n`;
}

function accessibleName({ name, title, description }: Figure): Markup[] {
  return [
    element("title", { id: `${name}-title` }, [title]),
    element("desc", { id: `${name}-description` }, [description]),
  ];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A text of a figure; `x`, `y` is the start (or end, middle) of its baseline. */
export function svgText(text: string, x: number, y: number, classes = ""): Markup {
  return element("text", { x, y, class: classes || null }, [text]);
}

/** A text shortened to `maxWidth`, whole in its tooltip. */
export function svgLabel(text: string, x: number, y: number, maxWidth: number, classes = ""): Markup {
  const shown = fitText(text, maxWidth, FONT_SIZE);
  const whole = shown === text ? [] : [element("title", {}, [text])];
  return element("text", { x, y, class: classes || null }, [joinMarkup([...whole, shown])]);
}

/** Moved content. */
export function group(x: number, y: number, children: readonly Child[]): Markup {
  return element("g", { transform: `translate(${round(x)} ${round(y)})` }, children);
}
