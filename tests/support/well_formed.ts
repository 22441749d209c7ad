import assert from "node:assert/strict";

/** One element of a parsed document. */
export interface ParsedElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (ParsedElement | string)[];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
const NAME = /[A-Za-z_][\w.:-]*/y;

/**
 * Parses a document strictly, as XML: every element closed in order, attributes quoted and unique, ids unique, no bare `&` or `<`, no
 * character that XML forbids. The content of `style` is taken as it is.
 *
 * @returns the root element
 */
export function parseWellFormed(text: string): ParsedElement {
  assert.ok(text.isWellFormed(), "lone surrogate");
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
  const root: ParsedElement = { name: "", attributes: {}, children: [] };
  const open = [root], ids = new Set<string>();
  let at = text.match(/^(<\?xml version="1\.0" encoding="UTF-8"\?>|<!DOCTYPE html>)\n/)?.[0].length ?? 0;
  assert.ok(at > 0, "no declaration");
  while (at < text.length) {
    const parent = open.at(-1)!;
    if (parent.name === "style") {
      const end = text.indexOf("</style>", at);
      assert.ok(end >= 0 && !/[<&]/.test(text.slice(at, end)), "style with markup in it");
      parent.children.push(text.slice(at, end));
      open.pop();
      at = end + "</style>".length;
    } else if (text.startsWith("</", at)) {
      const close = `</${parent.name}>`;
      assert.equal(text.slice(at, at + close.length), close, `at ${at}`);
      open.pop();
      at += close.length;
    } else if (text[at] === "<") {
      const { element, closed, end } = parseTag(text, at, ids);
      parent.children.push(element);
      if (!closed) open.push(element);
      at = end;
    } else {
      const end = text.indexOf("<", at), run = text.slice(at, end < 0 ? undefined : end);
      parent.children.push(decode(run));
      at += run.length;
    }
  }
  assert.equal(open.length, 1, `not closed: ${open.map(({ name }) => name)}`);
  const elements = root.children.filter((child) => typeof child !== "string");
  assert.equal(elements.length, 1);
  return elements[0];
}

function parseTag(text: string, start: number, ids: Set<string>) {
  let at = start + 1;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? assert.fail(`${pattern} at ${at}: ${text.slice(at, at + 40)}`);
    at += found.length;
    return found;
  };
  const element: ParsedElement = { name: take(NAME), attributes: {}, children: [] };
  const attributes: Record<string, string> = element.attributes;
  while (/\s/.test(text[at])) {
    take(/\s+/y);
    const name = take(NAME);
    assert.ok(!(name in attributes), `attribute ${name} twice`);
    attributes[name] = decode(take(/="[^"<]*"/y).slice(2, -1));
    if (name !== "id") continue;
    assert.ok(!ids.has(attributes.id), `id ${attributes.id} twice`);
    ids.add(attributes.id);
  }
  return { element, closed: take(/\/?>/y) === "/>", end: at };
}

function decode(text: string): string {
  return text.replace(/&([^;]*);?/g, (whole, name) => {
    assert.ok(whole.endsWith(";") && name in ENTITIES, `entity ${whole}`);
    return ENTITIES[name];
  });
}

/** All elements below one, in order. */
export function* elementsOf(element: ParsedElement): Generator<ParsedElement> {
  yield element;
  for (const child of element.children) if (typeof child !== "string") yield* elementsOf(child);
}

/** All text below an element. */
export function textOf(element: ParsedElement): string {
  return element.children.map((child) => typeof child === "string" ? child : textOf(child)).join(" ");
}
