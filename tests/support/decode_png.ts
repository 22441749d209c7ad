import assert from "node:assert/strict";
import { crc32, inflateSync } from "node:zlib";
import type { Picture } from "../../data/png.ts";

/** Reads an 8-bit grey or RGB PNG whose rows use the filters none, left and above; checks every checksum. */
export function decodePng(png: Uint8Array): Picture {
  assert.deepEqual([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const view = new DataView(png.buffer, png.byteOffset);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at < png.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    assert.equal(
      view.getUint32(at + 8 + length),
      crc32(png.subarray(at + 4, at + 8 + length)),
      `checksum of ${type}`,
    );
    chunks.set(type, png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  assert.deepEqual([...chunks.keys()], ["IHDR", "IDAT", "IEND"]);
  const header = chunks.get("IHDR")!;
  const width = new DataView(header.buffer, header.byteOffset).getUint32(0);
  const height = new DataView(header.buffer, header.byteOffset).getUint32(4);
  assert.deepEqual([header[8], header[10], header[11], header[12]], [8, 0, 0, 0]);
  const channels = header[9] === 0 ? 1 : header[9] === 2 ? 3 : assert.fail(`colour type ${header[9]}`);
  const raw = inflateSync(chunks.get("IDAT")!), rowBytes = width * channels;
  const data = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (rowBytes + 1)];
    for (let i = 0; i < rowBytes; i++) {
      const left = i >= channels ? data[y * rowBytes + i - channels] : 0;
      const above = y > 0 ? data[(y - 1) * rowBytes + i] : 0;
      data[y * rowBytes + i] = raw[y * (rowBytes + 1) + 1 + i] +
        (filter === 0 ? 0 : filter === 1 ? left : above);
    }
  }
  return { width, height, channels, data };
}
