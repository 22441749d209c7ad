import { InvalidArgumentError, Option } from "./deps.ts";

/** `--json`, the same for every command. */
export const jsonOption = (): Option<"--json", undefined, false> =>
  new Option("--json", "print one JSON object on stdout, logs on stderr");

/** Parser of a whole number that is at least `minimum`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${minimum}.`);
    }
    return value;
  };
}

/** Parser of a number above zero. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** Parser of one number for all axes, or of three: `48`, `96,96,64` or `96x96x64`. */
export function threeNumbers(parse: (text: string) => number): (text: string) => [number, number, number] {
  return (text) => {
    const values = text.split(/[,x]/).map((part) => parse(part));
    if (values.length === 1) return [values[0], values[0], values[0]];
    if (values.length === 3) return [values[0], values[1], values[2]];
    throw new InvalidArgumentError("Expected one value, or three separated by commas.");
  };
}

/** Parser of `on` and `off`. */
export function onOff(text: string): boolean {
  if (text !== "on" && text !== "off") throw new InvalidArgumentError("Expected on or off.");
  return text === "on";
}

/** A mask ratio as the configuration has it. */
export type MaskRatio = { kind: "fixed"; value: number } | { kind: "uniform"; low: number; high: number };

/** Parser of a mask ratio: `0.75`, or a range from which each step draws: `0.6-0.9`. */
export function maskRatio(text: string): MaskRatio {
  const values = text.split("-").map(positiveNumber);
  if (values.some((value) => value >= 1) || values.length > 2) {
    throw new InvalidArgumentError("Expected a share between 0 and 1, or a range such as 0.6-0.9.");
  }
  return values.length === 1
    ? { kind: "fixed", value: values[0] }
    : { kind: "uniform", low: values[0], high: values[1] };
}

/** Parser of the name of a JSON file, for its content. */
export function jsonFile(path: string): unknown {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "no such file"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new InvalidArgumentError(`Expected a JSON file (${reason}): check the path.`);
  }
}
