/**
 * Requests to a run from outside its process: files in `control/` of the run folder.
 *
 * A run that takes requests makes the folder when it starts and removes it when it ends; no folder, no control. It looks about once
 * a second between steps, acts, and removes the file: `stop.json` saves `latest` and stops with reason "request", `checkpoint.json`
 * saves `latest` and goes on. Content of both: a {@linkcode ControlRequest}. Writers use a temporary name and rename.
 */

/** What a run can be asked for, each by the file `<name>.json`. */
export const CONTROL_ACTIONS = ["stop", "checkpoint"] as const;

/** One of {@linkcode CONTROL_ACTIONS}. */
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** Content of a request; `time` in milliseconds since 1970. */
export interface ControlRequest {
  readonly time: number;
}
