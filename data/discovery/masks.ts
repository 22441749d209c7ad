import { imageStem } from "../image_names.ts";
import type { PretrainImage } from "../pretrain_data.ts";
import { parseBidsName } from "./bids_name.ts";

/** Masks that go along with an image, or "label" for any other map of labels. */
export type MaskKind = "anonymization" | "anatomy" | "label";

/** A file that is a mask or label map by its name. */
export interface MaskName {
  readonly kind: MaskKind;
  /** Stem of the image it would belong to: its own without what says that it is a mask. */
  readonly stem: string;
  /** Suffix of the image in a `mod-` part, such as `T1w`. */
  readonly modality: string | null;
}

const LABEL_SUFFIXES = new Set(["dseg", "probseg", "roi", "seg", "label", "labels"]);
const ANONYMIZATION = /deface|anon|face/i;
const ANATOMY = /^(brain|anat|anatomy|anatomical|head|bet|skullstrip\w*)$/i;
/** Parts of a mask's name that say what it masks, not what it was made from. */
const MASK_ENTITIES = ["desc", "label", "mod"];

/**
 * What a file name says about a mask; null for names of images.
 *
 * By the suffix: `defacemask` masks what was anonymised, `brainmask` the anatomy, `mask` whichever its `desc-` or `label-` part, or the
 * word before it, names (deface, anon, face; brain, anat, head; the anatomy when nothing is said), and any other label otherwise.
 */
export function classifyMask(name: string): MaskName | null {
  const { entities, words, suffix } = parseBidsName(name);
  const end = suffix.toLowerCase();
  const modality = entities.get("mod") ?? null;
  if (LABEL_SUFFIXES.has(end)) return { kind: "label", stem: "", modality };
  if (!["mask", "defacemask", "brainmask"].includes(end)) return null;
  const last = words.at(-1);
  const word = last !== undefined && (ANONYMIZATION.test(last) || ANATOMY.test(last)) ? last : undefined;
  const parts = imageStem(name).split("_").slice(0, -1).filter((part, i, all) =>
    !MASK_ENTITIES.some((entity) => part.startsWith(`${entity}-`)) &&
    !(part === word && i === all.length - 1)
  );
  const stem = parts.join("_");
  if (end !== "mask") return { kind: end === "brainmask" ? "anatomy" : "anonymization", stem, modality };
  const said = entities.get("desc") ?? entities.get("label") ?? word ?? "brain";
  const kind = ANONYMIZATION.test(said) ? "anonymization" : ANATOMY.test(said) ? "anatomy" : "label";
  return { kind, stem, modality };
}

/** An image that masks may belong to. */
interface Candidate {
  readonly image: PretrainImage;
  readonly suffix: string;
  readonly datatype: string;
}

/** Finds the image of every mask among the images of the same session (BIDS) or folder. */
export class MaskMatcher {
  readonly #byStem = new Map<string, Candidate[]>();
  readonly #byEntities = new Map<string, Candidate[]>();

  /**
   * Registers an image under the name of its file.
   *
   * @param group session or folder; masks and images of different groups never meet
   */
  addImage(group: string, datatype: string, file: string, image: PretrainImage): void {
    const candidate = { image, suffix: parseBidsName(file).suffix, datatype };
    push(this.#byStem, `${group}\n${imageStem(file)}`, candidate);
    push(this.#byEntities, `${group}\n${entitiesKey(file)}`, candidate);
  }

  /**
   * Enters a mask into `associated_masks` of its image: the one of the same stem, else the only one (or the only T1w) of the same entities,
   * data type and modality.
   *
   * @returns null, or why the mask is left out
   */
  assign(group: string, datatype: string, path: string, file: string, mask: MaskName): string | null {
    if (mask.kind === "label") return "a label map, not an image";
    const sameStem = this.#byStem.get(`${group}\n${mask.stem}`) ?? [];
    const candidates = sameStem.length > 0 ? sameStem : this.#sameEntities(group, datatype, file, mask);
    const t1w = candidates.filter(({ suffix }) => suffix === "T1w");
    const found = candidates.length > 1 && t1w.length === 1 ? t1w : candidates;
    if (found.length !== 1) {
      return found.length === 0 ? "a mask without its image" : `a mask of one of ${found.length} images`;
    }
    const key = mask.kind === "anatomy" ? "anatomy_mask" : "anonymization_mask";
    const masks = found[0].image.associated_masks ??= { anonymization_mask: null, anatomy_mask: null };
    if (masks[key]) return `a second mask beside ${masks[key]}`;
    masks[key] = path;
    return null;
  }

  #sameEntities(group: string, datatype: string, file: string, { modality }: MaskName): Candidate[] {
    if (parseBidsName(file).entities.size === 0) return [];
    return (this.#byEntities.get(`${group}\n${entitiesKey(file)}`) ?? []).filter((candidate) =>
      (modality === null || candidate.suffix === modality) &&
      (datatype === "" || candidate.datatype === datatype)
    );
  }
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}

/** Entities that a mask shares with its image. A mask in another `space-` than its image's shares not all, and finds none. */
function entitiesKey(file: string): string {
  const shared = [...parseBidsName(file).entities].filter(([key]) => !MASK_ENTITIES.includes(key));
  return shared.map((pair) => pair.join("-")).sort().join("_");
}
