/**
 * Text as a terminal may show it, whatever file it comes from: characters that would move the cursor, change colours or turn the
 * direction of writing are spelt out (`\u{1b}`).
 *
 * @param lines whether it may have several lines
 */
export function visibleText(text: string, lines = false): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (one) => lines && one === "\n" ? one : `\\u{${one.codePointAt(0)!.toString(16)}}`,
  );
}
