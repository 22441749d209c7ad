/** Third-party modules of the browser tests. */
export {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "npm:playwright-core@1.65.1";
export { default as axe } from "npm:axe-core@4.14.1";
