import type { Route } from "./route.ts";
import { apiRoutes } from "./routes/api.ts";
import { fileRoutes } from "./routes/api_files.ts";
import { compareRoute } from "./routes/compare.tsx";
import { indexRoute } from "./routes/index.tsx";
import { picturesRoute } from "./routes/pictures.tsx";
import { runRoute } from "./routes/run.tsx";
import { snapshotRoute } from "./routes/snapshot.tsx";
import { volumeRoute } from "./routes/volume.tsx";

/** Every page and every address of the API; the first that fits answers. */
export const routes: readonly Route[] = [
  ...apiRoutes,
  ...fileRoutes,
  indexRoute,
  runRoute,
  compareRoute,
  picturesRoute,
  volumeRoute,
  snapshotRoute,
];
