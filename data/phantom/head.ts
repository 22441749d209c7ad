import type { TissueSignals } from "./contrast.ts";
import type { VoxelPainter } from "./painter.ts";
import type { HeadPoint } from "./point.ts";
import { ellipsoid, length2, smoothUnion, Tube } from "./shapes.ts";

/** Sizes that differ between heads; mm. */
export interface HeadShape {
  readonly skinMm: number;
  readonly fatMm: number;
  readonly boneMm: number;
  /** fluid between brain hull and skull */
  readonly subarachnoidMm: number;
}

const SPINE = new Tube([[0, -34, -40, 13], [0, -40, -62, 11], [0, -46, -160, 8]]);
const PHARYNX = new Tube([[0, 22, -46, 5], [0, 8, -72, 6], [0, 2, -160, 6]]);
const DISC_MM = 19; // distance between intervertebral discs

/**
 * Signed distance in mm to the surface of the head, positive inside.
 *
 * @param hull signed distance to the brain's smooth hull, positive inside
 */
export function headDistance(shape: HeadShape, hull: number, x: number, y: number, z: number): number {
  const soft = shape.skinMm + shape.fatMm + (z < 30 ? Math.min(5, (30 - z) * 0.09) : 0);
  const cranium = hull + shape.subarachnoidMm + shape.boneMm + soft;
  if (z > 50) return cranium;
  const face = ellipsoid(x, y - 30, z + 56, 60, 60, 70);
  const nose = ellipsoid(x, y - 89, z + 44, 13, 22, 22);
  const chin = ellipsoid(x, y - 62, z + 112, 34, 34, 20);
  const neck = Math.min(56 - length2(x, (y + 18) * 0.85), -40 - z);
  const front = smoothUnion(smoothUnion(face, nose, 12), chin, 20);
  return smoothUnion(smoothUnion(cranium, front, 22), neck, 24);
}

/**
 * Everything outside the brain: skin, fat, muscle, skull with marrow, eyes, air spaces, neck.
 * Coordinates in mm, x right, y anterior, z superior, origin in the middle of the brain's base line.
 *
 * @param hull signed distance to the brain's smooth hull, positive inside
 * @param head signed distance to the head's surface, positive inside
 * @returns true inside the skull or spinal canal, where the brain goes on painting
 */
export function paintHead(
  painter: VoxelPainter,
  signals: TissueSignals,
  shape: HeadShape,
  hull: number,
  head: number,
  { x, y, z, texture }: HeadPoint,
): boolean {
  const skullInner = hull + shape.subarachnoidMm;
  if (skullInner > 8) {
    painter.cover("cerebrospinal_fluid", signals.fluid);
    return true;
  }
  const ax = Math.abs(x);
  const skullOuter = skullInner + shape.boneMm;
  painter.layer("scalp", signals.skin, head);
  painter.layer("scalp", signals.fat, head - shape.skinMm);
  // temporal muscle, face and neck: muscle streaked with fat
  const low = 25 - z;
  if (low > 0 && skullOuter < 3) {
    const depth = head - shape.skinMm - shape.fatMm;
    painter.layer("scalp", signals.muscle, Math.min(depth, 2.4 - texture * 2, low * 0.3));
  }
  if (z < 34 && y > -10) paintFace(painter, signals, ax, y, z, texture);
  paintBone(painter, signals, shape, skullOuter, ax, y, z, texture);
  let inner = skullInner;
  if (z < -38 && ax < 30 && y < 10) {
    const canal = SPINE.distance(x, y, z);
    if (z < -62) paintSpine(painter, signals, canal, x, y, z);
    inner = Math.max(inner, canal);
  }
  painter.layer("cerebrospinal_fluid", signals.fluid, inner);
  return inner > -3;
}

/** Cranial bone: outer table, marrow, inner table; thick with marrow at the base; frontal sinus. */
function paintBone(
  painter: VoxelPainter,
  signals: TissueSignals,
  shape: HeadShape,
  skullOuter: number,
  ax: number,
  y: number,
  z: number,
  texture: number,
): void {
  if (z < -14 && ax > 22 && y < 0 && y > -62) { // petrous bone with air cells
    const petrous = ellipsoid(ax - 46, y + 26 - 0.4 * (ax - 46), z + 36, 24, 12, 13);
    painter.layer("skull", signals.bone, petrous);
    painter.layer("background", signals.air, Math.min(petrous - 4, texture * 3 - 2));
  }
  painter.layer("skull", signals.bone, skullOuter);
  if (z < 5 && ax < 30 && y > -14 && y < 40) { // clivus and the body of the sphenoid bone
    const clivus = ellipsoid(ax, y - 6 - 0.55 * (z + 36), z + 36, 17, 11, 24);
    painter.layer("skull", signals.bone, clivus + 1.5);
    painter.layer("skull", signals.marrow, clivus);
  }
  if (z > -60) {
    const middle = shape.boneMm / 2;
    painter.layer("skull", signals.marrow, middle - 1.5 - Math.abs(skullOuter - middle) + 0.3 * texture);
  }
  if (z < 20 && y > 60) {
    painter.layer("background", signals.air, ellipsoid(ax - 9, y - 76, z - 4, 9, 4, 11)); // frontal sinus
  }
}

/** Vertebrae below the skull: ring of bone around the canal, bodies of marrow with discs between. */
function paintSpine(
  painter: VoxelPainter,
  signals: TissueSignals,
  canal: number,
  x: number,
  y: number,
  z: number,
): void {
  const disc = Math.abs(((-z) % DISC_MM) - DISC_MM / 2) - 1.8;
  painter.layer("skull", signals.bone, Math.min(canal + 5, disc + 2));
  const body = 14 - length2(x, (y + 17 + 0.06 * (z + 62)) * 1.2);
  painter.layer("skull", signals.bone, body + 1.2);
  painter.layer("skull", signals.marrow, Math.min(body, disc));
}

function paintFace(
  painter: VoxelPainter,
  signals: TissueSignals,
  ax: number,
  y: number,
  z: number,
  texture: number,
): void {
  if (z > -62 && y > 12 && ax < 58) paintOrbit(painter, signals, ax, y, z);
  if (z > -10) return;
  painter.layer("background", signals.air, ellipsoid(ax - 24, y - 52, z + 60, 12, 15, 15) + 0.8 * texture); // maxillary sinus
  if (ax < 16) {
    const septum = ax - 1.2;
    const nasal = Math.min(ellipsoid(ax, y - 60, z + 50, 11, 34, 22), septum);
    const conchae = Math.abs(((-z) % 12) - 6) - 2.6; // shelves every 12 mm leave narrow passages
    painter.layer("background", signals.air, Math.min(nasal - 1, conchae + 0.8 * texture));
    painter.layer("background", signals.air, Math.min(ellipsoid(ax, y - 24, z + 30, 13, 10, 9), septum)); // sphenoid sinus
    painter.layer("background", signals.air, PHARYNX.distance(ax, y, z));
  }
  const palate = Math.min(1.6 - Math.abs(z + 74 - 0.004 * (y - 46) * (y - 46)), 76 - y, y - 22, 26 - ax);
  painter.layer("skull", signals.bone, palate);
  const jaw = 4.5 - Math.abs(length2(ax * 1.25, (y - 30) * 0.85) - 40); // horseshoe of the lower jaw
  if (y > 22) {
    painter.layer("skull", signals.bone, Math.min(jaw, 12 - Math.abs(z + 106)));
    painter.layer("skull", signals.marrow, Math.min(jaw - 2, 10 - Math.abs(z + 106)));
  }
  painter.layer("scalp", signals.muscle, ellipsoid(ax, y - 40, z + 96, 22, 30, 19) + texture); // tongue
}

/** Orbit with fat, eye muscles, optic nerve, eye and lens. */
function paintOrbit(painter: VoxelPainter, signals: TissueSignals, ax: number, y: number, z: number): void {
  const wall = ellipsoid(ax - 31, y - 52, z + 32, 19, 32, 17);
  if (wall < -4) return;
  painter.layer("skull", signals.bone, Math.min(wall + 2, 74 - y));
  painter.layer("scalp", signals.fat, Math.min(wall, 80 - y));
  const cone = ellipsoid(ax - 30, y - 48, z + 32, 11, 28, 10);
  painter.layer("scalp", signals.muscle, 1.3 - Math.abs(cone));
  painter.layer("scalp", signals.muscle, Math.min(1.8 - length2(ax - 31 + (60 - y) * 0.25, z + 32), 62 - y));
  const eye = 12 - Math.sqrt((ax - 32) ** 2 + (y - 69) ** 2 + (z + 32) ** 2);
  painter.layer("scalp", signals.muscle, eye + 1.2);
  painter.layer("eye", signals.vitreous, eye);
  painter.layer("eye", signals.muscle, ellipsoid(ax - 32, y - 77.5, z + 32, 4.6, 2.2, 4.6)); // lens
}
