/** Colour of a label from 1 on, `[red, green, blue]` to 255: the first seven can be told apart with every common colour blindness (Okabe and Ito 2008). */
export function labelColour(label: number): readonly [number, number, number] {
  const [r, g, b] = FIRST[(label - 1) % FIRST.length];
  const shade = [1, 0.6, 0.8, 0.4][Math.floor((label - 1) / FIRST.length) % 4]; // names tell the rest apart
  return [Math.round(r * shade), Math.round(g * shade), Math.round(b * shade)];
}

const FIRST = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
] as const;
