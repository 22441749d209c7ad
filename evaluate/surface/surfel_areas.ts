import type { Dims3 } from "../../data/volume.ts";

/** Facet vectors in units of 1/8 of a voxel's faces, along the three array axes; only their lengths count. */
const FACETS: Readonly<Record<string, readonly [number, number, number]>> = {
  a: [0, 0, 4],
  b: [0, 2, 2],
  c: [0, 4, 0],
  d: [1, 1, 1],
  e: [2, 0, 2],
  f: [2, 2, 0],
  g: [2, 2, 2],
  h: [3, 3, 3],
  i: [4, 0, 0],
};

/** Facets of the neighbour codes 0 to 127, one word a code ("-": none); code 255 - c has those of code c. */
const CODE_FACETS = `
  - d d ff d ee dd dgi d dd ee dgi ff dgi dgi ii
  d bb dd cdg dd adg ddd ddgg dd bbd dee bdeh dff bdfh ddgi dgi
  d dd bb cdg dd dee bbd bdeh dd ddd adg ddgg dff ddgi bdfh dgi
  ff cdg cdg cc dff defh cddg cdg dff cddg defh cdg ffff dff dff ff
  d dd dd dff bb adg bbd bdfh dd ddd dee ddgi cdg ddgg bdeh dgi
  ee adg dee defh adg aa addg adg dee addg eeee dee defh adg dee ee
  dd ddd bbd cddg bbd addg bbbb bbd ddd dddd addg ddd cddg ddd bbd dd
  dgi ddgg bdeh cdg bdfh adg bbd bb ddgi ddd dee dd dff dd dd d`.trim().split(/\s+/);

/**
 * Area of the surface inside a 2x2x2 neighbourhood of voxels, mm^2, for each of its 256 codes.
 *
 * The surface is that of marching cubes (Lorensen and Cline 1987) through the middles of the edges: A = sum over its facets n of
 * sqrt((n0 s1 s2)^2 + (n1 s0 s2)^2 + (n2 s0 s1)^2). A code has one bit a voxel: 128 at (0,0,0), 64 at (0,0,1), 32 at (0,1,0), 16 at
 * (0,1,1), 8 at (1,0,0), 4, 2, and 1 at (1,1,1).
 *
 * @param spacing mm along the three array axes
 */
export function surfelAreas(spacing: Dims3): Float64Array {
  const faces = [spacing[1] * spacing[2] / 8, spacing[0] * spacing[2] / 8, spacing[0] * spacing[1] / 8];
  const areas = new Float64Array(256);
  CODE_FACETS.forEach((facets, code) => {
    for (const name of facets === "-" ? "" : facets) {
      const n = FACETS[name];
      areas[code] += Math.sqrt((n[0] * faces[0]) ** 2 + (n[1] * faces[1]) ** 2 + (n[2] * faces[2]) ** 2);
    }
    areas[255 - code] = areas[code];
  });
  return areas;
}
