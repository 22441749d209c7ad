import type { Rng } from "../random.ts";
import type { TissueSignals } from "./contrast.ts";
import { Folding } from "./folding.ts";
import type { VoxelPainter } from "./painter.ts";
import type { HeadPoint } from "./point.ts";
import { ellipsoid, length2, length3, smoothIntersection, smoothStep, smoothUnion, Tube } from "./shapes.ts";

/** Sizes that differ between brains. */
export interface BrainShape {
  /** grey-matter ribbon, mm */
  readonly cortexMm: number;
  /** half width of a sulcus, mm */
  readonly sulcusMm: number;
  /** factor on the width of the ventricles */
  readonly ventricles: number;
  /** mm from the brain's surface to the bottom of the deepest sulci */
  readonly sulcusDepthMm: number;
}

const VENTRICLE = new Tube([
  [4.5, 28, 1, 2.5],
  [6, 19, 8, 5],
  [7, 2, 18, 4.6],
  [11, -18, 20, 4.6],
  [19, -34, 15, 6],
  [25, -42, 3, 6.5],
  [32, -28, -13, 3],
  [32, -10, -21, 2.2],
]);
const OCCIPITAL_HORN = new Tube([[25, -42, 3, 6], [24, -64, 3, 1.8]]);
const CAUDATE_TAIL = new Tube([[13, 13, 9, 5], [15, 0, 18, 3.4], [19, -18, 21, 2.2], [25, -32, 15, 1.6]]);
const MEDULLA = new Tube([[0, -25, -30, 12], [0, -32, -46, 9], [0, -38, -64, 6.5], [0, -44, -150, 5.5]]);
const MIDBRAIN = new Tube([[0, -17, 0, 14], [0, -24, -20, 13]]);

/** Random choices of one brain and the painting of its tissues. Coordinates as in `paintHead`. */
export class Brain {
  readonly shape: BrainShape;
  readonly #folding: Folding;
  #envelope = 0;
  #cerebellum = 0;

  constructor(rng: Rng) {
    const age = rng.uniform(); // 0 young: narrow ventricles and sulci; 1 old
    this.shape = {
      cortexMm: 2.9 - 0.5 * age + 0.3 * rng.uniform(),
      sulcusMm: 0.35 + 0.5 * age,
      ventricles: 0.75 + 0.9 * age * (0.6 + 0.8 * rng.uniform()),
      sulcusDepthMm: 18 + 6 * rng.uniform(),
    };
    this.#folding = new Folding(rng, 0.29 + 0.05 * rng.uniform());
  }

  /** Signed distance to the smooth hull of cerebrum, cerebellum and brain stem; also prepares `paint` for the point. */
  hull(x: number, y: number, z: number): number {
    const ax = Math.abs(x);
    const dome = ellipsoid(x, y + 18, z - 13, 68, 87, 65);
    if (dome < -60) return dome;
    const temporal = ellipsoid(ax - 42, y + 6 + 0.15 * (z + 22), z + 21 - 0.08 * y, 26, 45, 22);
    const base = z + 8 + 10 * smoothStep(-25, 20, y);
    this.#envelope = smoothUnion(smoothIntersection(dome, base, 8), temporal, 6);
    this.#cerebellum = z < 0
      ? smoothUnion(
        ellipsoid(ax - 23, y + 64, z + 37, 29, 32, 23),
        ellipsoid(x, y + 58, z + 33, 16, 26, 23),
        6,
      )
      : -30;
    const stem = z < 0 ? ellipsoid(x, y + 28, z + 36, 19, 17, 36) : -30;
    const lower = smoothUnion(smoothUnion(temporal, stem, 6), this.#cerebellum, 8);
    return smoothUnion(smoothIntersection(dome, base + 2, 10), lower, 6);
  }

  /** Paints brain tissue over the fluid; `hull` must have been called for the same point. */
  paint(painter: VoxelPainter, signals: TissueSignals, point: HeadPoint): void {
    if (this.#envelope > -3) this.#paintCerebrum(painter, signals, point);
    if (point.z < 8) this.#paintHindbrain(painter, signals, point);
    if (this.#envelope > 3) this.#paintDeep(painter, signals, point);
  }

  #paintCerebrum(painter: VoxelPainter, signals: TissueSignals, { x, y, z, bend }: HeadPoint): void {
    const { cortexMm, sulcusMm, sulcusDepthMm } = this.shape;
    const ax = Math.abs(x);
    // the fissure between the hemispheres ends above the corpus callosum
    const arch = ax < 40 ? ellipsoid(ax, y + 4, z - 3, 60, 37, 25) : -1;
    const fissure = length2(Math.max(ax - 0.3 - sulcusMm, 0), Math.max(arch, 0));
    const depth = smoothIntersection(this.#envelope, fissure, 3);
    let surface = depth;
    if (ax > 26) surface = Math.min(surface, sylvianDistance(ax, y, z) - sulcusMm);
    if (depth < sulcusDepthMm + 6) {
      const twist = Math.min(1.2, Math.max(0, depth) / 9) + 0.25;
      const nx = (x + twist * bend[0]) / 68,
        ny = (y + 18 + twist * bend[1]) / 87,
        nz = (z - 6 + twist * bend[2]) / 65;
      this.#folding.read(nx, ny, nz);
      const radius = length3(nx, ny, nz);
      // directions crowd towards the centre: sulci fade before they do
      const bottom = sulcusDepthMm * (0.5 + 0.5 * this.#folding.depth) * smoothStep(0.3, 0.75, radius);
      const across = Math.abs(this.#folding.distance) * radius * 73;
      const halfWidth = sulcusMm * (0.8 + 1.1 * smoothStep(7, 0, depth));
      const wall = length2(across, Math.max(depth - bottom, 0)) - halfWidth;
      surface = smoothIntersection(surface, wall, 2.5);
    }
    if (surface > cortexMm + 3) painter.cover("white_matter", signals.whiteMatter);
    else {
      painter.layer("cortical_grey_matter", signals.cortex, surface);
      painter.layer("white_matter", signals.whiteMatter, surface - cortexMm);
    }
    if (ax < 24 && arch > -2 && arch < 9) { // corpus callosum
      const callosum = Math.min(arch + 0.5, 6.2 - arch, z + 1 + 0.15 * Math.abs(y), 17 - ax);
      painter.layer("white_matter", signals.whiteMatter, callosum);
    }
  }

  #paintDeep(painter: VoxelPainter, signals: TissueSignals, { x, y, z, texture }: HeadPoint): void {
    const ax = Math.abs(x);
    if (ax > 48 || y < -76 || y > 44 || z < -32 || z > 36) return;
    const width = this.shape.ventricles;
    // everything between the white matter of callosum and brain stem is no cortex
    const core = Math.min(ellipsoid(ax, y + 6, z - 2, 34, 34, 20), z + 9);
    painter.layer("white_matter", signals.whiteMatter, core);
    const horns = Math.max(VENTRICLE.distance(ax, y, z), OCCIPITAL_HORN.distance(ax, y, z)) +
      (width - 1) * 3.2;
    painter.layer("ventricle", signals.fluid, Math.min(horns, ax - 0.7));
    const third = Math.min(0.9 + 1.4 * width - ax, ellipsoid(0, y + 10, z - 1, 30, 16, 10));
    painter.layer("ventricle", signals.fluid, third);
    painter.layer(
      "thalamus",
      signals.thalamus,
      ellipsoid(ax - 12, y + 18 + 0.35 * (ax - 12), z - 6.5, 10, 15, 9.5),
    );
    const caudate = Math.max(
      ellipsoid(ax - 14 + 0.2 * (y - 13), y - 13, z - 6, 5.8, 11, 9),
      CAUDATE_TAIL.distance(ax, y, z),
    );
    painter.layer("caudate", signals.caudate, caudate + 0.15 * texture);
    const lateral = ax - 25.5 + 0.16 * (y - 1);
    painter.layer(
      "putamen",
      signals.putamen,
      ellipsoid(lateral, y - 1, z - 1, 6, 17, 11) + 0.15 * texture,
    );
    painter.layer("pallidum", signals.pallidum, ellipsoid(lateral + 6.4, y + 3, z + 0.5, 3.8, 9.5, 6.5));
  }

  #paintHindbrain(painter: VoxelPainter, signals: TissueSignals, { x, y, z, texture }: HeadPoint): void {
    const ax = Math.abs(x), inside = this.#cerebellum;
    if (inside > -2) {
      // folia fan out from the fourth ventricle in curved leaves: fluid in thin sheets, white matter in branches between them
      const radius = length2(y + 38, z + 30) + 0.2 * ax;
      const angle = Math.atan2(z + 30, -(y + 38)) + 0.006 * radius + 0.05 * texture;
      const leaf = foldDistance(angle * 12, radius / 12), branch = foldDistance(angle * 4 + 0.3, radius / 4);
      const sheet = length2(leaf, Math.max(inside - 5, 0)) - 0.25;
      const fissure = length2(branch, Math.max(inside - 13, 0)) - 0.4;
      painter.layer("cerebellar_grey_matter", signals.cerebellarCortex, Math.min(inside, sheet, fissure));
      const leaves = Math.min(
        inside - 2.2,
        length2(leaf, Math.max(inside - 6, 0)) - 1.7,
        length2(branch, Math.max(inside - 14, 0)) - 2,
      );
      painter.layer("cerebellar_white_matter", signals.cerebellarWhiteMatter, leaves);
    }
    if (ax < 26) {
      const pons = ellipsoid(x, y + 22, z + 30, 17, 13, 14);
      const peduncle = ellipsoid(ax - 10, y + 16 - 0.4 * (ax - 10), z + 10, 7, 8, 12);
      const stem = smoothUnion(
        smoothUnion(Math.max(MIDBRAIN.distance(x, y, z), MEDULLA.distance(x, y, z)), pons, 5),
        peduncle,
        4,
      );
      painter.layer("brain_stem", signals.brainStem, smoothIntersection(stem, -3 - z, 5));
      painter.layer("ventricle", signals.fluid, ellipsoid(x, y + 42, z + 33, 7, 4.5, 10));
      if (z > -22) painter.layer("ventricle", signals.fluid, 1.2 - length2(x, y + 33)); // aqueduct
    }
  }
}

/** Distance in mm to the lateral fissure and the fluid over the insula. */
function sylvianDistance(ax: number, y: number, z: number): number {
  const height = -8 + 0.26 * (8 - y);
  const dy = Math.max(y - 24, -42 - y, 0);
  const cleft = length3(Math.max(38 - ax, 0), dy, z - height);
  const dy2 = Math.max(y - 22, -24 - y, 0), dz = Math.max(z - height - 13, height - 9 - z, 0);
  const insula = length3(ax - 38.5 + 0.004 * y * y, dy2, dz);
  return Math.min(cleft, insula);
}

/** Distance in mm to the nearest of evenly spaced sheets: `turns` counts sheets, `pitchMm` is their distance. */
function foldDistance(turns: number, pitchMm: number): number {
  return Math.abs(turns - Math.floor(turns) - 0.5) * pitchMm;
}
