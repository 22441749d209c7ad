/** NIfTI files for tests, byte by byte from the published layout: independent of the project's own writer. */

/** Header fields of a test file; every one may be wrong on purpose. */
export interface NiftiFields {
  readonly version?: 1 | 2;
  readonly littleEndian?: boolean;
  /** dim[0..7]; [3, x, y, z, 1, 1, 1, 1] for `size` when left out. */
  readonly dim?: readonly number[];
  /** x, y, z. */
  readonly size?: readonly [number, number, number];
  readonly datatype?: number;
  readonly bits?: number;
  readonly pixdim?: readonly number[];
  readonly slope?: number;
  readonly intercept?: number;
  readonly qformCode?: number;
  readonly quaternion?: readonly number[];
  readonly sformCode?: number;
  readonly sform?: readonly number[];
  readonly units?: number;
  readonly magic?: string;
  readonly voxelOffset?: number;
}

/** Header of `fields` followed by the voxel bytes. */
export function niftiBytes(fields: NiftiFields, voxels: Uint8Array): Uint8Array {
  const { version = 1, littleEndian: le = true, size = [2, 3, 4] } = fields;
  const one = version === 1;
  const start = one ? 352 : 544;
  const bytes = new Uint8Array(start + voxels.length);
  const view = new DataView(bytes.buffer);
  const real = (at: number, values: readonly number[]) =>
    values.forEach((value, i) =>
      one ? view.setFloat32(at + 4 * i, value, le) : view.setFloat64(at + 8 * i, value, le)
    );
  const int = (at: number, value: number) =>
    one ? view.setInt16(at, value, le) : view.setInt32(at, value, le);
  const dim = fields.dim ?? [3, ...size, 1, 1, 1, 1];
  view.setInt32(0, one ? 348 : 540, le);
  dim.forEach((value, i) =>
    one ? view.setInt16(40 + 2 * i, value, le) : view.setBigInt64(16 + 8 * i, BigInt(value), le)
  );
  view.setInt16(one ? 70 : 12, fields.datatype ?? 16, le);
  view.setInt16(one ? 72 : 14, fields.bits ?? 32, le);
  real(one ? 76 : 104, fields.pixdim ?? [1, 1, 1, 1, 0, 0, 0, 0]);
  const offset = fields.voxelOffset ?? start;
  if (one) view.setFloat32(108, offset, le);
  else view.setBigInt64(168, BigInt(offset), le);
  real(one ? 112 : 176, [fields.slope ?? 0, fields.intercept ?? 0]);
  if (one) view.setUint8(123, fields.units ?? 2);
  else view.setInt32(500, fields.units ?? 2, le);
  int(one ? 252 : 344, fields.qformCode ?? 0);
  int(one ? 254 : 348, fields.sformCode ?? 0);
  real(one ? 256 : 352, fields.quaternion ?? [0, 0, 0, 0, 0, 0]);
  real(one ? 280 : 400, fields.sform ?? new Array(12).fill(0));
  bytes.set(
    new TextEncoder().encode(fields.magic ?? `n+${version}\0${one ? "" : "\r\n\x1a\n"}`),
    one ? 344 : 4,
  );
  bytes.set(voxels, start);
  return bytes;
}

/** float32 voxels in the byte order of the file. */
export function floatVoxels(values: ArrayLike<number>, littleEndian = true): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], littleEndian);
  return new Uint8Array(view.buffer);
}

/** Runs `use` with a new empty folder, which is removed afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "spark3d-test-" });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
