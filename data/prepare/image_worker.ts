/// <reference lib="deno.worker" />
/** Worker of `prepareDataset`: prepares one image after the other on its own thread. */
import { serveImages } from "./serve_images.ts";

serveImages(self);
