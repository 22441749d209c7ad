const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A count with separators: `39,168`. */
export function count(value: number): string {
  return whole.format(value);
}

/** A count with its noun: `1 volume`, `39,168 volumes`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A share as `31 %`, `0.4 %` below one percent, `< 0.1 %` below a thousandth; 0 % of nothing. */
export function percent(part: number, total: number): string {
  const value = total > 0 ? 100 * part / total : 0;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99 && part < total) return value < 99.95 ? `${value.toFixed(1)} %` : "> 99.9 %";
  return `${value > 0 && value < 1 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** A size in bytes: `812 B`, `1.2 GiB`. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes, unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** A number with at most `digits` decimals and no closing zeros: `0.88`, `1`. */
export function compact(value: number, digits = 2): string {
  return String(Number(value.toFixed(digits)));
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** About how wide a text is in px, at most, in the sans-serif fonts of common systems, of which DejaVu Sans is the widest. */
export function textWidth(text: string, fontSize: number): number {
  let width = 0;
  for (const character of text) {
    if (/[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/.test(character)) width += 1;
    else if (character.codePointAt(0)! > 0xffff) width += 1.2;
    else if (/[ijltfrI.,:;|'!() /-]/.test(character)) width += 0.4;
    else if (/[A-ZmwMW@%_]/.test(character)) width += 0.8;
    else width += 0.64;
  }
  return width * fontSize;
}

/** Shortens a text to a width in px, with an ellipsis at its end; never cuts a character with its accents apart. */
export function fitText(text: string, maxWidth: number, fontSize: number): string {
  if (textWidth(text, fontSize) <= maxWidth) return text;
  const room = maxWidth - textWidth("…", fontSize);
  let kept = "", width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += textWidth(segment, fontSize);
    if (width > room) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}
