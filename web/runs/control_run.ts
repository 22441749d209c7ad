import { writeJsonAtomic } from "../../data/atomic.ts";
import { CONTROL_ACTIONS, type ControlRequest as StoredRequest } from "../../train/control.ts";
import type { ControlResponse } from "../api.ts";
import { resolveInside } from "../resolve_inside.ts";
import { HttpError } from "../route.ts";
import { addNote } from "./notes.ts";
import { isJson } from "./read_json.ts";
import type { RunStore } from "./run_store.ts";

const DONE = {
  stop: "The run saves a checkpoint after the step it is at, and stops",
  checkpoint: "The run saves a checkpoint after the step it is at",
} as const;

/**
 * Carries out what a page asks of a run.
 *
 * @param body of the request, of any content
 * @throws {HttpError} 400 for a wrong body, 404 when there is no such run, 409 when the run takes no requests or cannot be written to
 */
export async function controlRun(store: RunStore, body: unknown): Promise<ControlResponse> {
  if (!isJson(body) || typeof body.run !== "string") {
    throw new HttpError(400, 'Cannot read the request: expected {"run", "action", "text"}');
  }
  const folder = await store.folder(body.run);
  if (body.action === "note") {
    await addNote(folder, body.text);
    return { message: "The note is stored" };
  }
  const action = CONTROL_ACTIONS.find((name) => name === body.action);
  if (action === undefined) {
    throw new HttpError(400, `Cannot do ${JSON.stringify(body.action)}: expected stop, checkpoint or note`);
  }
  const control = await resolveInside(folder, "control");
  if (control === null) {
    throw new HttpError(
      409,
      `Cannot ask run ${body.run} to ${action}: it has ended, or was started without --allow-control`,
    );
  }
  try {
    await writeJsonAtomic(`${control}/${action}.json`, { time: Date.now() } satisfies StoredRequest);
  } catch (error) {
    throw new HttpError(409, (error as Error).message);
  }
  return { message: DONE[action] };
}
