import { makeFolder } from "../data/atomic.ts";

/** What a run can be asked for, each by the file `<name>.json`. */
export const CONTROL_ACTIONS = ["stop", "checkpoint"] as const;

/** One of {@linkcode CONTROL_ACTIONS}. */
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** Content of a request, for people: a run looks at the name only. `time` in milliseconds since 1970. */
export interface ControlRequest {
  readonly time: number;
}

/** Time between two looks into the folder. */
const LOOK_EVERY_MS = 1000;

/**
 * Requests to a run from outside its process: files in `control/` of the run folder.
 *
 * A run that takes requests makes the folder when it starts and removes it when it ends; no folder, no control. It looks about once
 * a second between steps, removes what it finds, and acts: `stop.json` saves `latest` and stops with reason "request",
 * `checkpoint.json` saves `latest` and goes on. Writers use a temporary name and rename. Nothing that is wrong with the folder ends
 * a run.
 */
export class ControlFolder implements AsyncDisposable {
  #next = performance.now() + LOOK_EVERY_MS;

  private constructor(readonly path: string) {}

  /** Removes the folder of an earlier start with its requests, and makes it anew where requests are allowed. @returns null where not */
  static async open(path: string, allowed: boolean): Promise<ControlFolder | null> {
    const folder = new ControlFolder(path);
    await folder[Symbol.asyncDispose]();
    if (!allowed) return null;
    return await makeFolder(path).then(() => folder, () => null);
  }

  /** What is asked for since the last look; each request is returned once. */
  async take(): Promise<ReadonlySet<ControlAction>> {
    const actions = new Set<ControlAction>();
    if (performance.now() < this.#next) return actions;
    this.#next = performance.now() + LOOK_EVERY_MS;
    for (const action of CONTROL_ACTIONS) {
      // a request that cannot be removed would be obeyed for ever: it is none
      await Deno.remove(`${this.path}/${action}.json`).then(() => actions.add(action), () => {});
    }
    return actions;
  }

  /** Removes the folder: nobody is there to ask. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true }).catch(() => {});
  }
}
