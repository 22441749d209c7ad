/** Index of the first NaN or infinite value and how many there are; null when all are finite. */
export function findNonFinite(data: Float32Array): { index: number; count: number } | null {
  let index = -1, count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] - data[i] === 0) continue;
    if (count++ === 0) index = i;
  }
  return count === 0 ? null : { index, count };
}
