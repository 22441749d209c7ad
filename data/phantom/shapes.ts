/**
 * Signed distances in mm, positive inside: exact for capsules, first order for ellipsoids (good near the surface).
 * Source of the forms: Quilez, "distance functions" (https://iquilezles.org/articles/distfunctions/).
 */

/** Ellipsoid at the origin; x, y, z relative to its centre, a, b, c its half axes. */
export function ellipsoid(x: number, y: number, z: number, a: number, b: number, c: number): number {
  const u = x / a, v = y / b, w = z / c;
  const k = Math.sqrt(u * u + v * v + w * w);
  if (k < 1e-6) return Math.min(a, b, c);
  const du = u / a, dv = v / b, dw = w / c;
  return k * (1 - k) / Math.sqrt(du * du + dv * dv + dw * dw);
}

/** Union of two shapes with a fillet of about `radius` mm. */
export function smoothUnion(a: number, b: number, radius: number): number {
  const h = Math.max(radius - Math.abs(a - b), 0) / radius;
  return Math.max(a, b) + h * h * radius / 4;
}

/** Intersection of two shapes with a rounded edge of about `radius` mm. */
export function smoothIntersection(a: number, b: number, radius: number): number {
  const h = Math.max(radius - Math.abs(a - b), 0) / radius;
  return Math.min(a, b) - h * h * radius / 4;
}

/** Length of a vector in the plane; `Math.hypot` guards against overflow and is ten times slower. */
export function length2(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/** Length of a vector in space. */
export function length3(x: number, y: number, z: number): number {
  return Math.sqrt(x * x + y * y + z * z);
}

/** Hermite step from 0 at `from` to 1 at `to`; falls when `from` is above `to`. */
export function smoothStep(from: number, to: number, x: number): number {
  const t = Math.max(0, Math.min(1, (x - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

/** Rounded, tapering tube through points with changing radius. */
export class Tube {
  readonly #segments: Float64Array; // per segment: start, direction, 1 / length^2, radius, change of radius

  /** @param points rows of `[x, y, z, radius]`, at least two */
  constructor(points: readonly (readonly [number, number, number, number])[]) {
    const segments: number[] = [];
    for (let i = 1; i < points.length; i++) {
      const [ax, ay, az, ar] = points[i - 1], [bx, by, bz, br] = points[i];
      const dx = bx - ax, dy = by - ay, dz = bz - az;
      segments.push(ax, ay, az, dx, dy, dz, 1 / (dx * dx + dy * dy + dz * dz), ar, br - ar);
    }
    this.#segments = Float64Array.from(segments);
  }

  /** Signed distance to the union of the segments, positive inside. */
  distance(x: number, y: number, z: number): number {
    const s = this.#segments;
    let inside = -1e9;
    for (let i = 0; i < s.length; i += 9) {
      const px = x - s[i], py = y - s[i + 1], pz = z - s[i + 2];
      const along = (px * s[i + 3] + py * s[i + 4] + pz * s[i + 5]) * s[i + 6];
      const t = along < 0 ? 0 : along > 1 ? 1 : along;
      const ex = px - t * s[i + 3], ey = py - t * s[i + 4], ez = pz - t * s[i + 5];
      const distance = s[i + 7] + t * s[i + 8] - Math.sqrt(ex * ex + ey * ey + ez * ez);
      if (distance > inside) inside = distance;
    }
    return inside;
  }
}
