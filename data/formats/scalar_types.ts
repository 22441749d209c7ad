/** Bytes of the scalar voxel types that are read. */
export const SCALAR_BYTES = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float32: 4,
  float64: 8,
} as const;

/** A scalar voxel type. */
export type ScalarType = keyof typeof SCALAR_BYTES;
