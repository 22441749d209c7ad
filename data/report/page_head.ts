import { element, Markup } from "./markup.ts";
import { pageStyle } from "./page_style.ts";

/**
 * The `head` of a report: title, style, and what the page may fetch.
 *
 * @param policy Content-Security-Policy of the page
 */
export function pageHead(title: string, policy: string): Markup {
  return element("head", {}, [
    element("meta", { charset: "utf-8" }),
    element("meta", { "http-equiv": "Content-Security-Policy", content: policy }),
    element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    element("meta", { name: "color-scheme", content: "light dark" }),
    element("title", {}, [title]),
    new Markup(`<style>\n${pageStyle()}\n</style>`),
  ]);
}
