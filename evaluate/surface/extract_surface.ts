import type { Dims3 } from "../../data/volume.ts";

/** A binary mask with a border of one zero voxel on every side. */
export interface PaddedMask {
  /** 0 or 1, `[D + 2, H + 2, W + 2]`; may be longer. */
  readonly data: Uint8Array;
  /** `[D, H, W]` without the border. */
  readonly shape: Dims3;
  /** For each row `[D + 2, H + 2]` whether a voxel of it is set. */
  readonly rows: Uint8Array;
}

/** Surface elements of a mask: the 2x2x2 neighbourhoods that hold voxels of both kinds. */
export interface Surface {
  /** Where they are: indices into a grid of `[D + 1, H + 1, W + 1]` corners, ascending; corner i lies between voxels i - 1 and i. */
  readonly corners: Int32Array;
  /** Their neighbour codes, see `surfelAreas`. */
  readonly codes: Uint8Array;
}

/** Surface elements of a mask. */
export function extractSurface({ data, shape: [d, h, w], rows }: PaddedMask): Surface {
  let corners = new Int32Array(4096), codes = new Uint8Array(4096);
  let count = 0;
  const line = w + 2, plane = (h + 2) * line;
  for (let z = 0; z <= d; z++) {
    for (let y = 0; y <= h; y++) {
      const row = z * (h + 2) + y;
      if (!(rows[row] | rows[row + 1] | rows[row + h + 2] | rows[row + h + 3])) continue;
      if (count + w + 1 > corners.length) [corners, codes] = grow(corners, codes, count + w + 1);
      const at = z * plane + y * line;
      const first = (z * (h + 1) + y) * (w + 1);
      let before = 0;
      for (let x = 0, p = at + 1; x <= w; x++, p++) {
        const here = data[p] << 6 | data[p + line] << 4 | data[p + plane] << 2 | data[p + plane + line];
        const code = before << 1 | here;
        before = here;
        if (code === 0 || code === 255) continue;
        corners[count] = first + x;
        codes[count++] = code;
      }
    }
  }
  return { corners: corners.slice(0, count), codes: codes.slice(0, count) };
}

function grow(
  corners: Int32Array<ArrayBuffer>,
  codes: Uint8Array<ArrayBuffer>,
  least: number,
): [Int32Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const length = Math.max(2 * corners.length, least);
  const moreCorners = new Int32Array(length), moreCodes = new Uint8Array(length);
  moreCorners.set(corners);
  moreCodes.set(codes);
  return [moreCorners, moreCodes];
}
