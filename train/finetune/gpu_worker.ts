/** GPU thread of a fine-tuning run. */
import { serveRun } from "../gpu_thread.ts";
import { runFinetuning } from "./loop.ts";

serveRun(runFinetuning);
