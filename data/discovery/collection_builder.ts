import type { PretrainData, PretrainImage } from "../pretrain_data.ts";

type Info = Record<string, unknown> | null;

/** Where an image belongs. */
export interface ImagePlace {
  readonly dataset: string;
  readonly subject: string;
  readonly session: string;
}

interface SubjectParts {
  info: Info;
  readonly sessions: Map<string, { info: Info; images: PretrainImage[] }>;
}

/**
 * Collects images into a `PretrainData` in linear time.
 *
 * An image whose id is taken gets a number before its name, so that no image is lost.
 */
export class CollectionBuilder {
  readonly #name: string;
  readonly #index: string | number;
  readonly #datasets = new Map<string, { name: string; subjects: Map<string, SubjectParts> }>();
  readonly #ids = new Map<string, number>(); // id -> number that the next image of this id tries

  constructor(name: string, index: string | number) {
    this.#name = name;
    this.#index = index;
  }

  /** Number of images so far. */
  get size(): number {
    return this.#ids.size;
  }

  /** Adds an image; returns it with the name it got. */
  add(where: ImagePlace, image: PretrainImage): PretrainImage {
    const place = {
      dataset: recordKey(where.dataset),
      subject: recordKey(where.subject),
      session: recordKey(where.session),
    };
    const prefix = [place.dataset, place.subject, place.session].join("__");
    let name = image.name;
    let copy = this.#ids.get(`${prefix}__${name}`) ?? 1;
    while (this.#ids.has(`${prefix}__${name}`)) name = `${++copy}_${image.name}`;
    if (name !== image.name) this.#ids.set(`${prefix}__${image.name}`, copy);
    this.#ids.set(`${prefix}__${name}`, 1);
    const added = name === image.name ? image : { ...image, name };
    this.#session(place).images.push(added);
    return added;
  }

  /** Adds what is known about a subject that has images; for a key that is there, the first value stays. */
  describeSubject(
    { dataset, subject }: Pick<ImagePlace, "dataset" | "subject">,
    info: Record<string, unknown>,
  ): void {
    const known = this.#datasets.get(dataset)?.subjects.get(subject);
    if (known) known.info = { ...info, ...known.info };
  }

  /** Adds what is known about a session that has images. */
  describeSession({ dataset, subject, session }: ImagePlace, info: Record<string, unknown>): void {
    const known = this.#datasets.get(dataset)?.subjects.get(subject)?.sessions.get(session);
    if (known) known.info = { ...info, ...known.info };
  }

  /** Gives a data set a display name; its index otherwise. */
  nameDataset(dataset: string, name: string): void {
    this.#dataset(dataset).name = name;
  }

  #dataset(index: string) {
    let dataset = this.#datasets.get(index);
    if (!dataset) this.#datasets.set(index, dataset = { name: index, subjects: new Map() });
    return dataset;
  }

  #session({ dataset, subject, session }: ImagePlace): { images: PretrainImage[] } {
    const { subjects } = this.#dataset(dataset);
    let parts = subjects.get(subject);
    if (!parts) subjects.set(subject, parts = { info: null, sessions: new Map() });
    let found = parts.sessions.get(session);
    if (!found) parts.sessions.set(session, found = { info: null, images: [] });
    return found;
  }

  /** The collection in the order of adding. */
  build(): PretrainData {
    const sessionsOf = ({ sessions }: SubjectParts) =>
      mapToRecord(sessions, (session_id, { info, images }) => ({ session_id, session_info: info, images }));
    const subjectsOf = (subjects: Map<string, SubjectParts>) =>
      mapToRecord(subjects, (subject_id, subject) => ({
        subject_id,
        subject_info: subject.info,
        sessions: sessionsOf(subject),
      }));
    const datasets = mapToRecord(this.#datasets, (dataset_index, { name, subjects }) => ({
      dataset_index,
      name,
      dataset_info: null,
      subjects: subjectsOf(subjects),
    }));
    return { collection_index: this.#index, collection_name: this.#name, datasets };
  }
}

/** The one name that cannot be a key of a record read from JSON. */
function recordKey(name: string): string {
  return name === "__proto__" ? "proto" : name;
}

function mapToRecord<V, R>(map: Map<string, V>, convert: (key: string, value: V) => R): Record<string, R> {
  return Object.fromEntries(Array.from(map, ([key, value]) => [key, convert(key, value)]));
}
