import { imageStem } from "../image_names.ts";

/** A file name of the form `sub-01_ses-A_run-2_T1w.nii.gz`. */
export interface BidsName {
  /** Value of every `key-value` part. */
  readonly entities: ReadonlyMap<string, string>;
  /** Parts without a dash before the suffix. */
  readonly words: readonly string[];
  /** The last part. */
  readonly suffix: string;
}

/** Splits a file name, whose ending may be that of an image or of a sidecar, into entities and suffix. */
export function parseBidsName(name: string): BidsName {
  const parts = imageStem(name).replace(/\.json$/i, "").split("_");
  const suffix = parts.pop()!;
  const entities = new Map<string, string>();
  const words: string[] = [];
  for (const part of parts) {
    const dash = part.indexOf("-");
    if (dash > 0) entities.set(part.slice(0, dash), part.slice(dash + 1));
    else words.push(part);
  }
  return { entities, words, suffix };
}

/** Where a file lies in a BIDS tree. */
export interface BidsPlace {
  /** Position of the `sub-*` folder among the folders. */
  readonly depth: number;
  /** `sub-XX`. */
  readonly subject: string;
  /** `ses-YY`, or `ses-DEFAULT` when the subject has no session folders. */
  readonly session: string;
  /** Folder below subject and session, such as `anat`; empty when there is none. */
  readonly datatype: string;
}

/** Session of subjects without session folders. */
export const DEFAULT_SESSION = "ses-DEFAULT";

/** Place of a file in folders with these names; null when none of them is a subject's. */
export function bidsPlace(folders: readonly string[]): BidsPlace | null {
  const depth = folders.findIndex((name) => /^sub-./.test(name));
  if (depth < 0) return null;
  const next = folders[depth + 1] ?? "";
  const session = /^ses-./.test(next) ? next : DEFAULT_SESSION;
  const datatype = folders[session === DEFAULT_SESSION ? depth + 1 : depth + 2] ?? "";
  return { depth, subject: folders[depth], session, datatype };
}
