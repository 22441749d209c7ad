import type { Picture } from "../data/png.ts";

/** Height of a line of text in pixels at scale 1, including one empty row; a character is 6 pixels wide. */
export const FONT_HEIGHT = 8;
/** Width of a character in pixels at scale 1, including one empty column. */
export const FONT_WIDTH = 6;

/** Seven rows of five pixels, bit 4 leftmost, two hexadecimal digits a row. */
const GLYPHS: Readonly<Record<string, string>> = {
  " ": "00000000000000",
  "a": "00000e010f110f",
  "b": "10101e1111111e",
  "c": "00000e1110110e",
  "d": "01010f1111110f",
  "e": "00000e111f100e",
  "f": "0609081c080808",
  "g": "00000f110f010e",
  "h": "10101619111111",
  "i": "04000c0404040e",
  "j": "0200060202120c",
  "k": "10101214181412",
  "l": "0c04040404040e",
  "m": "00001a15151515",
  "n": "00001619111111",
  "o": "00000e1111110e",
  "p": "00001e111e1010",
  "q": "00000f110f0101",
  "r": "00001619101010",
  "s": "00000f100e011e",
  "t": "08081c08080906",
  "u": "0000111111130d",
  "v": "00001111110a04",
  "w": "0000111115150a",
  "x": "0000110a040a11",
  "y": "000011110f010e",
  "z": "00001f0204081f",
  "0": "0e11131519110e",
  "1": "040c040404040e",
  "2": "0e11010204081f",
  "3": "1f02040201110e",
  "4": "02060a121f0202",
  "5": "1f101e0101110e",
  "6": "0608101e11110e",
  "7": "1f010204080808",
  "8": "0e11110e11110e",
  "9": "0e11110f01020c",
  ".": "00000000000c0c",
  ",": "000000000c0408",
  ":": "000c0c000c0c00",
  "-": "0000001f000000",
  "+": "0004041f040400",
  "=": "00001f001f0000",
  "/": "00010204081000",
  "%": "18190204081303",
  "(": "02040808080402",
  ")": "08040202020408",
  "<": "02040810080402",
  ">": "08040201020408",
  "_": "0000000000001f",
};

/**
 * Writes a line of text into a picture; pixels outside it are left out. Capitals are drawn as small letters, and a
 * character without a glyph as a filled box.
 *
 * @param x left edge in pixels
 * @param y upper edge in pixels
 * @param scale pixels per font pixel
 */
export function drawText(
  picture: Picture,
  text: string,
  x: number,
  y: number,
  grey: number,
  scale = 1,
): void {
  const { width, height, channels, data } = picture;
  for (const [position, character] of [...text.toLowerCase()].entries()) {
    const glyph = GLYPHS[character] ?? "1f1f1f1f1f1f1f";
    for (let row = 0; row < 7 * scale; row++) {
      const bits = parseInt(glyph.slice(2 * Math.floor(row / scale), 2 * Math.floor(row / scale) + 2), 16);
      for (let column = 0; column < 5 * scale; column++) {
        if (((bits >> (4 - Math.floor(column / scale))) & 1) === 0) continue;
        const px = x + position * FONT_WIDTH * scale + column, py = y + row;
        if (px < 0 || py < 0 || px >= width || py >= height) continue;
        data.fill(grey, (py * width + px) * channels, (py * width + px + 1) * channels);
      }
    }
  }
}
