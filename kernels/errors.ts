/** Errors of the kernel layer. Each message says what was attempted, what was found, what was wanted and what to do. */

/** A tensor shape that an operation cannot accept. */
export class ShapeError extends Error {
  override name = "ShapeError";
  /**
   * @param message one sentence: operation, found, wanted, remedy
   * @param details the operation and the offending axis or input, for programs
   */
  constructor(message: string, readonly details: { op: string; found?: unknown; wanted?: unknown }) {
    super(message);
  }
}

/** Something that does not fit the device's limits; `need` and `max` are in the unit of the message (bytes unless named). */
export class LimitError extends Error {
  override name = "LimitError";
  constructor(message: string, readonly details: { value: string; need: number; max: number }) {
    super(message);
  }
}

/** A plan that is inconsistent: an internal error of graph, planner or caller. */
export class PlanError extends Error {
  override name = "PlanError";
  constructor(message: string, readonly details: Record<string, unknown> = {}) {
    super(message);
  }
}

/** The GPU could not be opened, was lost, or reported an error. */
export class DeviceError extends Error {
  override name = "DeviceError";
  constructor(
    message: string,
    readonly details: { reason: string } = { reason: "unknown" },
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Bytes as a short human text, e.g. `3.87 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}
