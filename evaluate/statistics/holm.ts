/**
 * p-values of several tests adjusted so that the chance of any false rejection stays at the level (Holm 1979).
 *
 * @param values undefined ones (NaN) stay and do not count
 */
export function holm(values: readonly number[]): number[] {
  const order = Array.from(values.keys()).filter((i) => !Number.isNaN(values[i]))
    .sort((a, b) => values[a] - values[b]);
  const adjusted = [...values];
  let largest = 0;
  order.forEach((index, place) => {
    largest = Math.max(largest, Math.min(1, (order.length - place) * values[index]));
    adjusted[index] = largest;
  });
  return adjusted;
}
