import { DataError } from "../errors.ts";
import { encodePng } from "../png.ts";
import { hashRandom } from "../random.ts";
import type { DatasetStore } from "../store.ts";
import type { StoreVolume } from "../store_index.ts";
import type { Affine } from "../volume.ts";
import { type Figure, group, svgLabel, svgText } from "./figure.ts";
import { type Child, cleanText, element } from "./markup.ts";
import { slicePicture } from "./slice_picture.ts";
import { compact } from "./text.ts";

/** Pixels of one slice's tile. */
const TILE = 112;
const COLUMNS = 2;
const CAPTION_HEIGHT = 22;
const GAP = 14;

/** Middle slices of one volume. */
export interface SheetTile {
  readonly volume: StoreVolume;
  readonly width: number;
  readonly height: number;
  /** `data:image/png;base64,...`; null when the array could not be read. */
  readonly source: string | null;
}

/** Which volumes to show. */
export interface SheetOptions {
  /** Most volumes; all of them when there are no more. */
  readonly count: number;
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between two volumes with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Draws volumes by chance, the same ones for the same seed and number, in the order of the store. */
export function chooseVolumes(volumes: readonly StoreVolume[], count: number, seed: number): StoreVolume[] {
  const chosen = hashRandom(seed).permutation(volumes.length).subarray(0, count);
  return [...chosen.sort()].map((i) => volumes[i]);
}

/**
 * Reads the middle slices of some volumes; nothing else of the store is opened. Volumes that cannot be read are named in `warnings`.
 *
 * @returns tiles, 340 x 112 pixels each
 */
export async function contactSheet(
  store: DatasetStore,
  { count, seed, onProgress, signal }: SheetOptions,
): Promise<{ tiles: SheetTile[]; warnings: string[] }> {
  const tiles: SheetTile[] = [], warnings: string[] = [];
  const chosen = chooseVolumes(store.volumes, count, seed);
  for (const volume of chosen) {
    await new Promise((resolve) => setTimeout(resolve)); // lets signals and the progress bar in
    signal?.throwIfAborted();
    try {
      tiles.push(readTile(store, volume));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      warnings.push(error.message);
      tiles.push({ volume, width: 3 * TILE + 4, height: TILE, source: null });
    }
    onProgress?.(tiles.length, chosen.length);
  }
  return { tiles, warnings };
}

function readTile(store: DatasetStore, volume: StoreVolume): SheetTile {
  const array = store.array(volume);
  const { affine } = array.attributes;
  const usable = Array.isArray(affine) && affine.length === 16 && affine.every(Number.isFinite);
  const picture = slicePicture({
    shape: array.shape,
    spacing: volume.spacing,
    affine: usable ? affine as Affine : undefined,
    readBox: (start, size) => array.readBox(start, size),
  }, TILE);
  const source = `data:image/png;base64,${encodePng(picture).toBase64()}`;
  return { volume, width: picture.width, height: picture.height, source };
}

/** Modality, size and spacing of a tile; with `withIds` its id. */
export function tileCaption({ volume }: SheetTile, withIds: boolean): string {
  const { modality, shape, spacing, id } = volume;
  const [coarse, same] = [spacing.map((edge) => compact(edge)), spacing.every((edge) => edge === spacing[0])];
  const facts = `${cleanText(modality)}, ${shape.join(" × ")}, ${same ? coarse[0] : coarse.join(" × ")} mm`;
  return withIds ? `${cleanText(id)}: ${facts}` : facts;
}

/** The sheet as a figure of two columns. */
export function sheetFigure(tiles: readonly SheetTile[], withIds: boolean): Figure {
  const { width, height } = tiles[0];
  const cellWidth = width + GAP, cellHeight = height + CAPTION_HEIGHT + GAP;
  const body = tiles.map((tile, i): Child => {
    const caption = svgLabel(tileCaption(tile, withIds), 0, height + 16, width, "muted");
    return group((i % COLUMNS) * cellWidth, Math.floor(i / COLUMNS) * cellHeight, [drawTile(tile), caption]);
  });
  const columns = Math.min(COLUMNS, tiles.length);
  return {
    name: "contact_sheet",
    title: "Middle slices",
    description: `Axial, coronal and sagittal middle slices of ${tiles.length} volumes drawn by chance`,
    width: columns * cellWidth - GAP,
    height: Math.ceil(tiles.length / COLUMNS) * cellHeight - GAP,
    body,
    table: { head: [], rows: [] },
  };
}

function drawTile({ width, height, source }: SheetTile): Child {
  if (source) return element("image", { width, height, href: source });
  return group(0, 0, [
    element("rect", { class: "unstated", x: 0.5, y: 0.5, width: width - 1, height: height - 1 }),
    svgText("cannot be read", width / 2, height / 2, "muted middle"),
  ]);
}
