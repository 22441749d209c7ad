/** A schedule setting that cannot be used; `path` is the key in the configuration. */
export class ScheduleError extends Error {
  override readonly name = "ScheduleError";
  constructor(message: string, readonly path: string, readonly found: unknown) {
    super(message);
  }
}

/**
 * Learning-rate schedules as plain data. Every value is a pure function of the epoch, so a resumed run needs no state.
 * - `constant`: `initialLr` throughout.
 * - `poly`: see {@linkcode polyLr}; `startEpoch` (default 0) keeps `initialLr` until then, see {@linkcode polyOffsetLr}.
 * - `warmup-poly`: linear warm-up for `warmupEpochs`, then poly over the remaining epochs.
 * - `cosine`: half a cosine from `initialLr` to 0, see {@linkcode cosineLr}.
 * - `continued-poly`: warm-up restart of a finished run, see {@linkcode continuedPolyLr}.
 */
export type Schedule =
  | { readonly kind: "constant"; readonly initialLr: number }
  | {
    readonly kind: "poly";
    readonly initialLr: number;
    readonly exponent?: number;
    readonly startEpoch?: number;
  }
  | {
    readonly kind: "warmup-poly";
    readonly initialLr: number;
    readonly warmupEpochs: number;
    readonly exponent?: number;
  }
  | { readonly kind: "cosine"; readonly initialLr: number }
  | ({ readonly kind: "continued-poly" } & ContinuedPoly);

/** Settings of {@linkcode continuedPolyLr}; the defaults are those of the published trainer. */
export interface ContinuedPoly {
  /** rate reached by the warm-up, default 7e-3 */
  readonly initialLr?: number;
  /** rate at the first epoch, default 1e-5 */
  readonly warmupLr?: number;
  /** rate approached at the end, default 1e-5 */
  readonly finalLr?: number;
  /** first epoch of the continuation: the epoch of the checkpoint it starts from, default 0 */
  readonly startEpoch?: number;
  /** default 50 */
  readonly warmupEpochs?: number;
  /** default 0.9 */
  readonly exponent?: number;
  /** `"interpolated"` (default) ends the warm-up at `initialLr`; `"additive"` is the reference's `warmupLr + initialLr * t` */
  readonly warmupForm?: "interpolated" | "additive";
}

/**
 * Polynomial decay, `lr0 * (1 - e / E)^exponent`, one value per epoch.
 *
 * Source: Chen et al. 2018 (DeepLab, "poly" policy), exponent 0.9 as in nnU-Net (Isensee et al. 2021).
 *
 * @example
 * ```ts
 * polyLr(0, 1000, 1e-2); // 0.01
 * ```
 */
export function polyLr(epoch: number, epochs: number, initialLr: number, exponent = 0.9): number {
  return initialLr * Math.pow(Math.max(0, 1 - epoch / epochs), exponent);
}

/** Polynomial decay that begins at `startEpoch`: `lr0 * (1 - max(0, e - s) / (E - s))^exponent`. */
export function polyOffsetLr(
  epoch: number,
  epochs: number,
  initialLr: number,
  startEpoch: number,
  exponent = 0.9,
): number {
  return polyLr(Math.max(0, epoch - startEpoch), epochs - startEpoch, initialLr, exponent);
}

/**
 * Cosine annealing, `lr0 * (1 + cos(pi e / E)) / 2`: `lr0` in epoch 0, towards 0 at the end.
 *
 * Source: Loshchilov and Hutter, SGDR (arXiv:1608.03983), without restarts.
 */
export function cosineLr(epoch: number, epochs: number, initialLr: number): number {
  return initialLr * (1 + Math.cos(Math.PI * epoch / epochs)) / 2;
}

/** Linear warm-up, `lr0 / W * (1 + e)`: not zero in epoch 0, `lr0` in epoch W - 1. */
export function warmupLr(epoch: number, warmupEpochs: number, initialLr: number): number {
  return initialLr / warmupEpochs * (1 + Math.min(epoch, warmupEpochs - 1));
}

/**
 * Warm-up from a tiny rate after a restart, then polynomial decay to `finalLr` (not to zero).
 *
 * With `t = max(0, e - s) / W`: `e < s + W`: `warmupLr + (initialLr - warmupLr) * t`
 * (additive form: `warmupLr + initialLr * t`); later `finalLr + (initialLr - finalLr) * (1 - (e-s-W)/(E-s-W))^exponent`.
 *
 * Source: `ContinuedPolyLRSchedulerWithWarmup` of nnssl, whose warm-up is the additive form.
 */
export function continuedPolyLr(epoch: number, epochs: number, settings: ContinuedPoly = {}): number {
  const { initialLr = 7e-3, warmupLr: low = 1e-5, finalLr = 1e-5, startEpoch = 0, warmupEpochs = 50 } =
    settings;
  const decayStart = startEpoch + warmupEpochs;
  if (epoch < decayStart) {
    const rise = settings.warmupForm === "additive" ? initialLr : initialLr - low;
    return low + rise * Math.max(0, epoch - startEpoch) / warmupEpochs;
  }
  return finalLr + polyLr(epoch - decayStart, epochs - decayStart, initialLr - finalLr, settings.exponent);
}

/**
 * Learning rate of one epoch; it stays constant within the epoch.
 *
 * @param epoch 0 .. epochs - 1
 * @param epochs length of the whole run
 */
export function learningRate(schedule: Schedule, epoch: number, epochs: number): number {
  switch (schedule.kind) {
    case "constant":
      return schedule.initialLr;
    case "poly":
      return polyOffsetLr(epoch, epochs, schedule.initialLr, schedule.startEpoch ?? 0, schedule.exponent);
    case "warmup-poly":
      return epoch < schedule.warmupEpochs
        ? warmupLr(epoch, schedule.warmupEpochs, schedule.initialLr)
        : polyOffsetLr(epoch, epochs, schedule.initialLr, schedule.warmupEpochs, schedule.exponent);
    case "cosine":
      return cosineLr(epoch, epochs, schedule.initialLr);
    case "continued-poly":
      return continuedPolyLr(epoch, epochs, schedule);
  }
}

/** Learning rate of a training step: that of the epoch the step belongs to. Steps count from 0. */
export function learningRateAtStep(
  schedule: Schedule,
  step: number,
  stepsPerEpoch: number,
  epochs: number,
): number {
  return learningRate(schedule, Math.min(epochs - 1, Math.floor(step / stepsPerEpoch)), epochs);
}

type Rule = "positive" | "notNegative" | "epoch" | "form";
const KEYS: Record<Schedule["kind"], Record<string, Rule>> = {
  "constant": { initialLr: "positive" },
  "poly": { initialLr: "positive", exponent: "positive", startEpoch: "epoch" },
  "warmup-poly": { initialLr: "positive", warmupEpochs: "epoch", exponent: "positive" },
  "cosine": { initialLr: "positive" },
  "continued-poly": {
    initialLr: "positive",
    warmupLr: "notNegative",
    finalLr: "notNegative",
    startEpoch: "epoch",
    warmupEpochs: "epoch",
    exponent: "positive",
    warmupForm: "form",
  },
};
const REQUIRED: Record<Schedule["kind"], readonly string[]> = {
  "constant": ["initialLr"],
  "poly": ["initialLr"],
  "warmup-poly": ["initialLr", "warmupEpochs"],
  "cosine": ["initialLr"],
  "continued-poly": [],
};
const RULES: Record<Rule, { wanted: string; ok: (value: unknown) => boolean }> = {
  positive: { wanted: "a number above 0", ok: (v) => typeof v === "number" && Number.isFinite(v) && v > 0 },
  notNegative: {
    wanted: "a number of at least 0",
    ok: (v) => typeof v === "number" && Number.isFinite(v) && v >= 0,
  },
  epoch: { wanted: "a whole number of at least 0", ok: (v) => Number.isInteger(v) && (v as number) >= 0 },
  form: { wanted: '"interpolated" or "additive"', ok: (v) => v === "interpolated" || v === "additive" },
};

/**
 * Checks a schedule read from a configuration file.
 *
 * @param epochs length of the run; warm-up and start must end before it
 * @param path key of the schedule in the configuration, for messages
 * @throws {ScheduleError} for an unknown kind or key, a missing key, a wrong value, or a warm-up longer than the run
 */
export function parseSchedule(value: unknown, epochs: number, path = "schedule"): Schedule {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ScheduleError(
      `Cannot read ${path}: found ${JSON.stringify(value)}, wanted an object with "kind"`,
      path,
      value,
    );
  }
  const entries = value as Record<string, unknown>;
  const kind = entries.kind as Schedule["kind"];
  if (typeof kind !== "string" || !Object.hasOwn(KEYS, kind)) {
    const wanted = Object.keys(KEYS).join(", ");
    throw new ScheduleError(
      `Cannot read ${path}.kind: found ${JSON.stringify(entries.kind)}, wanted one of ${wanted}`,
      `${path}.kind`,
      entries.kind,
    );
  }
  for (const key of REQUIRED[kind]) {
    if (entries[key] === undefined) {
      throw new ScheduleError(
        `Cannot read ${path}: "${key}" is missing, a ${kind} schedule needs it`,
        `${path}.${key}`,
        undefined,
      );
    }
  }
  for (const [key, found] of Object.entries(entries)) {
    if (key === "kind" || found === undefined) continue;
    if (!Object.hasOwn(KEYS[kind], key)) {
      const known = Object.keys(KEYS[kind]).join(", ");
      throw new ScheduleError(
        `Cannot read ${path}.${key}: a ${kind} schedule knows ${known}`,
        `${path}.${key}`,
        found,
      );
    }
    const rule = RULES[KEYS[kind][key]];
    if (!rule.ok(found)) {
      throw new ScheduleError(
        `Cannot read ${path}.${key}: found ${JSON.stringify(found)}, wanted ${rule.wanted}`,
        `${path}.${key}`,
        found,
      );
    }
  }
  const schedule = value as Schedule;
  checkLength(schedule, epochs, path);
  return schedule;
}

function checkLength(schedule: Schedule, epochs: number, path: string): void {
  const start = schedule.kind === "poly" || schedule.kind === "continued-poly" ? schedule.startEpoch ?? 0 : 0;
  const warmup = schedule.kind === "warmup-poly"
    ? schedule.warmupEpochs
    : schedule.kind === "continued-poly"
    ? schedule.warmupEpochs ?? 50
    : 0;
  if (start + warmup >= epochs && start + warmup > 0) {
    throw new ScheduleError(
      `Cannot use ${path}: start ${start} plus warm-up ${warmup} leaves nothing of ${epochs} epochs: ` +
        `shorten the warm-up or train longer`,
      path,
      start + warmup,
    );
  }
}
