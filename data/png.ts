import { builtin } from "./builtin.ts";

/** An 8-bit picture: `data` is `[height, width, channels]`, 1 channel grey or 3 channels red, green, blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/**
 * Encodes a picture as PNG.
 *
 * @throws {RangeError} if the data does not fill width, height and channels
 * Source: PNG specification, third edition, W3C 2025 (https://www.w3.org/TR/png-3/)
 *
 * @example
 * ```ts
 * const png = encodePng({ width: 2, height: 1, channels: 1, data: new Uint8Array([0, 255]) });
 * ```
 */
export function encodePng({ width, height, channels, data }: Picture): Uint8Array<ArrayBuffer> {
  if (!(width > 0 && height > 0) || data.length !== width * height * channels) {
    throw new RangeError(
      `Cannot encode PNG: found ${data.length} values for ${width} x ${height} pixels of ${channels} channels`,
    );
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bits per channel
  header[9] = channels === 1 ? 0 : 2; // colour type: grey or RGB
  const compressed = builtin("node:zlib").deflateSync(filterRows(data, width * channels, height, channels));
  const chunks = [chunk("IHDR", header), chunk("IDAT", compressed), chunk("IEND", new Uint8Array(0))];
  const png = new Uint8Array(chunks.reduce<number>((sum, part) => sum + part.length, SIGNATURE.length));
  png.set(SIGNATURE);
  let position = SIGNATURE.length;
  for (const part of chunks) {
    png.set(part, position);
    position += part.length;
  }
  return png;
}

/** Puts a filter byte before each row: none, left or above, whichever leaves the smallest absolute differences. */
function filterRows(data: Uint8Array, rowBytes: number, height: number, step: number): Uint8Array {
  const filtered = new Uint8Array((rowBytes + 1) * height);
  const candidates = [new Uint8Array(rowBytes), new Uint8Array(rowBytes), new Uint8Array(rowBytes)];
  for (let y = 0; y < height; y++) {
    const row = y * rowBytes;
    const cost = [0, 0, 0];
    for (let i = 0; i < rowBytes; i++) {
      const value = data[row + i];
      const left = i >= step ? data[row + i - step] : 0, above = y > 0 ? data[row + i - rowBytes] : 0;
      for (let filter = 0; filter < 3; filter++) {
        const byte = (value - (filter === 0 ? 0 : filter === 1 ? left : above)) & 255;
        candidates[filter][i] = byte;
        cost[filter] += byte < 128 ? byte : 256 - byte;
      }
    }
    const best = cost.indexOf(Math.min(...cost));
    filtered[y * (rowBytes + 1)] = best;
    filtered.set(candidates[best], y * (rowBytes + 1) + 1);
  }
  return filtered;
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, builtin("node:zlib").crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}
