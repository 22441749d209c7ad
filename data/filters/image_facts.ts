import type { PretrainImage } from "../pretrain_data.ts";

/** What filters ask about an image, as far as its sidecar says. */
export interface ImageFacts {
  readonly modality: string;
  readonly weighting: string | null;
  readonly seriesDescription: string | null;
  /** tesla */
  readonly fieldStrength: number | null;
  /** Kind of map that was computed from another image, such as FA; null for images as acquired. */
  readonly derivedFrom: string | null;
}

/** Groups that `weightingGroup` tells apart. */
export const WEIGHTING_GROUPS = [
  "T1",
  "T1-FLAIR",
  "T2",
  "T2-FLAIR",
  "FLAIR",
  "MR-angiography",
  "T2star",
  "SWI",
  "PD",
  "other",
] as const;
/** Group of a weighting. */
export type WeightingGroup = typeof WEIGHTING_GROUPS[number];

/** Reads the facts from `image_info`, whose keys may be BIDS (`SeriesDescription`) or lower case (`series_description`). */
export function imageFacts({ modality, image_info }: PretrainImage): ImageFacts {
  const info = new Map<string, unknown>();
  for (const [key, value] of Object.entries(image_info ?? {})) {
    info.set(key.replaceAll("_", "").toLowerCase(), value);
  }
  const text = (key: string) => {
    const value = info.get(key);
    return typeof value === "string" && value !== "" ? value : null;
  };
  return {
    modality,
    weighting: text("weighting"),
    seriesDescription: text("seriesdescription"),
    fieldStrength: tesla(info.get("magneticfieldstrength")),
    derivedFrom: text("derivedfrom"),
  };
}

/** Older scanners wrote gauss; 1000 and more can be nothing else. */
function tesla(value: unknown): number | null {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !(number > 0)) return null;
  return number >= 1000 ? number / 10_000 : number;
}

/** Group of a weighting, or of the modality (a BIDS suffix) when the sidecar names none; null when neither says anything. */
export function weightingGroup({ weighting, modality }: ImageFacts): WeightingGroup | null {
  const text = (weighting ?? modality).toLowerCase();
  if (text === "unknown") return null;
  if (text.includes("flair")) {
    return text.includes("t1") ? "T1-FLAIR" : text.includes("t2") ? "T2-FLAIR" : "FLAIR";
  }
  if (/angio|mra|tof/.test(text)) return "MR-angiography";
  if (/t2.?\*|t2.?star/.test(text)) return "T2star";
  if (/swi/.test(text)) return "SWI";
  if (/map|rho|dwi|bold/.test(text)) return "other";
  if (/t1|mp2?rage/.test(text)) return "T1";
  if (/t2/.test(text)) return "T2";
  return /^pd/.test(text) ? "PD" : "other";
}
