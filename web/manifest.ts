import type { Route } from "./route.ts";
import { picturesRoute } from "./routes/pictures.tsx";
import { volumeRoute } from "./routes/volume.tsx";

/** Every page and every address of the API; the first that fits answers. */
export const routes: readonly Route[] = [picturesRoute, volumeRoute];

/** Style sheets in the order in which they are joined, relative to this module. */
export const styleSheets: readonly string[] = ["./style.css", "./pages.css", "./pictures.css"];

/** Modules that become scripts, relative to this one: `client` is on every page, the others are imported when they are needed. */
export const scripts: Readonly<Record<string, string>> = {
  client: "./client.ts",
  viewer: "./islands/viewer/open_viewer.ts",
};
