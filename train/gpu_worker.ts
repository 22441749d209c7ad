/** GPU thread of a pre-training run. */
import { serveRun } from "./gpu_thread.ts";
import { runTraining } from "./loop.ts";

serveRun(runTraining);
