/** NRRD, MetaImage and DICOM files for tests, written from the published layouts. */
import { joinBytes } from "./join_bytes.ts";

/** A text header and what follows it. */
export function withHeader(header: string, voxels: Uint8Array): Uint8Array {
  return joinBytes(new TextEncoder().encode(header), voxels);
}

/** A NRRD file with these fields, a blank line and the voxels. */
export function nrrdBytes(fields: Record<string, string | undefined>, voxels: Uint8Array): Uint8Array {
  return withHeader(`NRRD0004\n# made for a test\n${lines(fields, ": ")}\n`, voxels);
}

/** A MetaImage file with these fields and the voxels. */
export function mhaBytes(fields: Record<string, string | undefined>, voxels: Uint8Array): Uint8Array {
  return withHeader(lines({ ObjectType: "Image", ...fields, ElementDataFile: "LOCAL" }, " = "), voxels);
}

function lines(fields: Record<string, string | undefined>, separator: string): string {
  return Object.entries(fields).filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}${separator}${value}\n`).join("");
}

/** One slice of a DICOM series. */
export interface DicomSlice {
  readonly series: number;
  /** From 1. */
  readonly instance: number;
  /** Columns and rows. */
  readonly size: readonly [width: number, height: number];
  /** mm along rows and columns; between slices. */
  readonly spacing: readonly [x: number, y: number, z: number];
  /** mm to the left, back and up. */
  readonly position: readonly [number, number, number];
  readonly pixels: Int16Array;
}

/** An MR slice in explicit little-endian form (DICOM PS3.5, section 7.1.2). */
export function dicomBytes({ series, instance, size, spacing, position, pixels }: DicomSlice): Uint8Array {
  const uid = "1.2.826.0.1.3680043.8.498";
  const parts: Uint8Array[] = [];
  const element = (group: number, number: number, type: string, value: string | number | Uint8Array) => {
    let bytes = typeof value === "string"
      ? new TextEncoder().encode(value)
      : typeof value === "number"
      ? new Uint8Array(new Uint16Array([value]).buffer)
      : value;
    if (bytes.length % 2) bytes = new Uint8Array([...bytes, type === "UI" ? 0 : 32]);
    const long = type === "OB" || type === "OW";
    const head = new DataView(new ArrayBuffer(long ? 12 : 8));
    head.setUint16(0, group, true);
    head.setUint16(2, number, true);
    head.setUint8(4, type.charCodeAt(0));
    head.setUint8(5, type.charCodeAt(1));
    if (long) head.setUint32(8, bytes.length, true);
    else head.setUint16(6, bytes.length, true);
    parts.push(new Uint8Array(head.buffer), bytes);
  };
  const image = `${uid}.${series}.${instance}`, mr = "1.2.840.10008.5.1.4.1.1.4";
  element(2, 0x01, "OB", new Uint8Array([0, 1]));
  element(2, 0x02, "UI", mr);
  element(2, 0x03, "UI", image);
  element(2, 0x10, "UI", "1.2.840.10008.1.2.1");
  const metaBytes = parts.reduce((sum, part) => sum + part.length, 0);
  element(0x08, 0x08, "CS", "ORIGINAL\\PRIMARY\\M\\ND");
  element(0x08, 0x16, "UI", mr);
  element(0x08, 0x18, "UI", image);
  element(0x08, 0x20, "DA", "20200101");
  element(0x08, 0x30, "TM", "120000");
  element(0x08, 0x60, "CS", "MR");
  element(0x08, 0x70, "LO", "Test");
  element(0x10, 0x10, "PN", "Phantom");
  element(0x10, 0x20, "LO", "1");
  element(0x18, 0x50, "DS", String(spacing[2]));
  element(0x18, 0x80, "DS", "500");
  element(0x18, 0x81, "DS", "10");
  element(0x20, 0x0d, "UI", `${uid}.1`);
  element(0x20, 0x0e, "UI", `${uid}.${series}`);
  element(0x20, 0x11, "IS", String(series));
  element(0x20, 0x13, "IS", String(instance));
  element(0x20, 0x32, "DS", position.join("\\"));
  element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0");
  element(0x28, 0x02, "US", 1);
  element(0x28, 0x04, "CS", "MONOCHROME2");
  element(0x28, 0x10, "US", size[1]);
  element(0x28, 0x11, "US", size[0]);
  element(0x28, 0x30, "DS", `${spacing[1]}\\${spacing[0]}`);
  element(0x28, 0x100, "US", 16);
  element(0x28, 0x101, "US", 16);
  element(0x28, 0x102, "US", 15);
  element(0x28, 0x103, "US", 1);
  element(0x28, 0x1052, "DS", "-5");
  element(0x28, 0x1053, "DS", "2");
  element(0x7fe0, 0x10, "OW", new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength));
  const groupLength = new Uint8Array([2, 0, 0, 0, 0x55, 0x4c, 4, 0, 0, 0, 0, 0]); // (0002,0000) UL
  new DataView(groupLength.buffer).setUint32(8, metaBytes, true);
  const magic = new Uint8Array(132);
  magic.set(new TextEncoder().encode("DICM"), 128);
  return joinBytes(magic, groupLength, ...parts);
}
