import { DataError } from "../data/errors.ts";
import { MAX_LABEL } from "./label_map.ts";
import { classKey, type EvaluatedClass } from "./types.ts";

/**
 * Refuses classes that cannot be evaluated.
 *
 * @param ignore label value of voxels that count nowhere; null without
 * @throws {DataError} without classes, for a class that is there twice, holds background or the ignore label, or no label values
 */
export function checkClasses(classes: readonly EvaluatedClass[], ignore: number | null): void {
  const fail = (found: string, wanted: string): never => {
    throw new DataError({
      file: "classes",
      action: "evaluate",
      found,
      wanted,
      remedy: "correct the classes",
    });
  };
  if (classes.length === 0) fail("none", "at least one class");
  const keys = new Set<string>();
  for (const { name, values } of classes) {
    const key = classKey(values);
    if (keys.has(key)) fail(`label ${key} twice`, "every class once");
    keys.add(key);
    const valid = (value: number) => Number.isInteger(value) && value > 0 && value <= MAX_LABEL;
    if (values.length === 0 || !values.every(valid)) {
      fail(`${name} with values ${values.join(", ") || "none"}`, `whole numbers from 1 to ${MAX_LABEL}`);
    }
    if (ignore !== null && values.includes(ignore)) {
      fail(`ignore label ${ignore} in ${name}`, "it in no class");
    }
  }
}
