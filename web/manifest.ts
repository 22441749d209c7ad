import type { Route } from "./route.ts";

/** Every page and every address of the API; the first that fits answers. */
export const routes: readonly Route[] = [];

/** Style sheets in the order in which they are joined, relative to this module. */
export const styleSheets: readonly string[] = ["./style.css", "./pages.css", "./pictures.css"];
