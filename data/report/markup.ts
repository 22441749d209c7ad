/** Text that is markup already: made by `element` only, so that every other string gets escaped. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What an element holds: markup stays, strings are escaped, null is left out. */
export type Child = Markup | string | null;
/** Attributes in the order in which they are written; null leaves one out, numbers get at most two decimals. */
export type Attributes = Readonly<Record<string, string | number | null>>;

/** Control characters, lone surrogates and non-characters, which neither XML nor HTML can hold, and marks that reverse text. */
const FORBIDDEN =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]/g;

/** A strange text as one line of characters that any file may hold; what it may not hold becomes U+FFFD. */
export function cleanText(text: string): string {
  return text.toWellFormed().replace(FORBIDDEN, "\ufffd").replace(/\s+/g, " ").trim();
}

/** Escapes text for element content and quoted attributes, in HTML and XML alike. */
export function escapeText(text: string): string {
  return text.toWellFormed().replace(FORBIDDEN, "\ufffd")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

/**
 * One element, well-formed as XML and as HTML: quoted attributes, escaped content, `<br/>` for an element that holds nothing.
 *
 * @param tag name of the element; written as it is, so never from data
 *
 * @example
 * ```ts
 * import { element } from "./markup.ts";
 * console.log(element("p", { class: "note" }, ["1 < 2"]).text); // <p class="note">1 &lt; 2</p>
 * ```
 */
export function element(tag: string, attributes: Attributes = {}, children?: readonly Child[]): Markup {
  const written = Object.entries(attributes).filter(([, value]) => value !== null)
    .map(([name, value]) => ` ${name}="${typeof value === "number" ? decimal(value) : escapeText(value!)}"`);
  const open = `<${tag}${written.join("")}`;
  return new Markup(children === undefined ? `${open}/>` : `${open}>${joinMarkup(children).text}</${tag}>`);
}

/** Several children as one piece of markup. */
export function joinMarkup(children: readonly Child[], separator = ""): Markup {
  const texts = children.filter((child) => child !== null)
    .map((child) => child instanceof Markup ? child.text : escapeText(child));
  return new Markup(texts.join(separator));
}

/** A coordinate with at most two decimals. */
function decimal(value: number): string {
  return String(Math.round(value * 100) / 100);
}
