import { storeIndex } from "../../bench/loader/store_index.ts";
import { writePretrainData } from "../../data/pretrain_data.ts";
import type { PretrainData } from "../../data/pretrain_data.ts";
import { hashRandom, type Rng } from "../../data/random.ts";
import { type RejectedImage, type StoreVolume, writeStoreIndex } from "../../data/store_index.ts";
import type { Dims3 } from "../../data/volume.ts";

/** One image of a made-up collection, prepared or rejected. */
export interface MadeImage {
  readonly dataset: string;
  readonly subject: string;
  readonly session?: string;
  readonly modality?: string;
  readonly subjectInfo?: Record<string, unknown>;
  readonly sessionInfo?: Record<string, unknown>;
  readonly imageInfo?: Record<string, unknown>;
  readonly shape?: Dims3;
  readonly spacing?: Dims3;
  readonly sourceShape?: Dims3;
  readonly sourceSpacing?: Dims3;
  readonly warnings?: readonly string[];
  /** The image is rejected. */
  readonly rejected?: { readonly reason: string; readonly rule?: string };
}

/** Which files of the store to write. */
export interface MadeStore {
  readonly collection?: string;
  readonly images: readonly MadeImage[];
  /** subjects (`dataset__subject`) of the validation side; all others train */
  readonly val?: readonly string[];
  /** false: without pretrain_data.json */
  readonly withCollection?: boolean;
  /** false: without report.jsonl */
  readonly withReport?: boolean;
}

const IMAGES = "/mnt/scans of the clinic";

/** Writes the files of a store without its arrays; volumes are called `<subject>_<number>.nii.gz`. */
export async function writeMadeStore(folder: string, made: MadeStore): Promise<void> {
  const collection = made.collection ?? "Made";
  const data: PretrainData = { collection_index: 1, collection_name: collection, datasets: {} };
  const volumes: StoreVolume[] = [], rejected: RejectedImage[] = [], lines: string[] = [];
  made.images.forEach((image, number) => {
    const { dataset, subject, session = "ses-DEFAULT", modality = "T1w" } = image;
    const name = `${subject}_${number}.nii.gz`;
    const file = `${IMAGES}/${dataset}/${subject}/${name}`;
    const subjectId = `${collection}__${dataset}__${subject}`, id = `${subjectId}__${session}__${name}`;
    const set = data.datasets[dataset] ??= {
      dataset_index: dataset,
      name: dataset,
      dataset_info: null,
      subjects: {},
    };
    const person = set.subjects[subject] ??= {
      subject_id: subject,
      subject_info: image.subjectInfo ?? null,
      sessions: {},
    };
    const visit = person.sessions[session] ??= {
      session_id: session,
      session_info: image.sessionInfo ?? null,
      images: [],
    };
    visit.images.push({
      name,
      image_path: file,
      modality,
      image_info: image.imageInfo ?? null,
      associated_masks: null,
    });
    if (image.rejected) {
      rejected.push({ id, file, reason: image.rejected.reason });
      lines.push(JSON.stringify({ id, file, status: "rejected", ...image.rejected }));
      return;
    }
    const shape = image.shape ?? [4, 4, 4], spacing = image.spacing ?? [1, 1, 1];
    const path = `${collection}/${dataset}/${subject}/${session}/${number}.zarr`;
    volumes.push({
      id,
      subject: subjectId,
      modality,
      path,
      shape,
      spacing,
      bytes: 128,
      sha256: "0".repeat(64),
    });
    const { warnings, sourceShape, sourceSpacing } = image;
    lines.push(
      JSON.stringify({ id, file, status: "prepared", warnings, shape, spacing, sourceShape, sourceSpacing }),
    );
  });
  const val = new Set((made.val ?? []).map((subject) => `${collection}__${subject}`));
  const subjects = [...new Set(volumes.map(({ subject }) => subject))];
  await Deno.mkdir(folder, { recursive: true });
  const held = subjects.filter((id) => val.has(id));
  await writeStoreIndex(folder, storeIndex(volumes, { collection, dtype: "float16", rejected, val: held }));
  if (made.withCollection !== false) await writePretrainData(`${folder}/pretrain_data.json`, data, {});
  if (made.withReport !== false) await Deno.writeTextFile(`${folder}/report.jsonl`, lines.join("\n") + "\n");
}

const SCANNERS = [
  ["Philips Medical Systems", "Achieva", 1.5],
  ["Philips Healthcare", "Ingenia", 1.5],
  ["SIEMENS", "Prisma_fit", 2.89],
  ["Siemens HealthCare GmbH", "Skyra", 3],
  ["GE MEDICAL SYSTEMS", "Discovery MR750", 3],
  ["TOSHIBA_MEC", "Titan3T", "3T"],
] as const;
const REASONS: readonly ((random: Rng) => NonNullable<MadeImage["rejected"]>)[] = [
  (random) => ({
    rule: "min-fov",
    reason: `field of view ${random.int(10, 49)} mm along z, wanted at least 50 mm`,
  }),
  (random) => ({ rule: "max-spacing", reason: `spacing ${random.int(7, 12)}.5 mm, wanted less than 6.5 mm` }),
  () => ({ rule: "series", reason: "series description contains adc" }),
];

/** Images of a collection as hospitals send them: several centres, sessions, spellings, gaps, and one in twelve rejected. */
export function clinicalImages(count: number, seed: number): MadeImage[] {
  const random = hashRandom(seed);
  return Array.from({ length: count }, (_, i): MadeImage => {
    const person = Math.floor(i / 3), centre = Math.floor(9 * hashRandom(seed, person).uniform() ** 2);
    const who = hashRandom(seed, person, 1);
    const [Manufacturer, ManufacturersModelName, MagneticFieldStrength] =
      SCANNERS[Math.floor(SCANNERS.length * who.uniform() ** 2)];
    const age = Math.round(52 + 21 * who.normal());
    const slice = random.uniform() < 0.4 ? 0.9 + 0.2 * random.uniform() : 3 + random.int(0, 6) / 2;
    const inPlane = [0.43, 0.47, 0.5, 0.72, 0.86, 0.94, 1][random.int(0, 6)];
    const base: MadeImage = {
      dataset: `study-${String(centre + 1).padStart(2, "0")}`,
      subject: `sub-${String(person + 1).padStart(5, "0")}`,
      session: `ses-${i % 3 === 2 ? 2 : 1}`,
      modality: ["T1w", "T2w", "FLAIR", "T1w", "T2w"][random.int(0, 4)],
      subjectInfo: {
        age: who.uniform() < 0.1 ? null : Math.min(97, Math.max(18, age)),
        sex: who.uniform() < 0.05 ? "n/a" : who.uniform() < 0.6 ? "F" : "male",
      },
      imageInfo: random.uniform() < 0.07 ? undefined : {
        Manufacturer,
        ManufacturersModelName,
        MagneticFieldStrength,
        InstitutionName: `Hospital ${"ABCDEFGHI"[centre]}`,
      },
    };
    if (i % 12 === 7) return { ...base, rejected: REASONS[random.int(0, REASONS.length - 1)](random) };
    const wide = [256, 320, 512][random.int(0, 2)];
    return {
      ...base,
      shape: [150 + random.int(0, 40), 180 + random.int(0, 50), 140 + random.int(0, 40)],
      sourceShape: [slice > 2 ? random.int(20, 36) : random.int(150, 200), wide, wide],
      sourceSpacing: [slice, inPlane, inPlane],
      ...(i % 50 === 3 ? { warnings: [`sheared by ${random.int(1, 9)}.5 degrees, which was left out`] } : {}),
    };
  });
}
