/** Where "DICM" stands, after a preamble of free use (DICOM PS3.10, section 7.1). */
const MAGIC_AT = 128;

/** True when a file is DICOM by its content; false also for what cannot be opened. */
export function isDicomFile(path: string): boolean {
  try {
    if (!Deno.statSync(path).isFile) return false;
    using file = Deno.openSync(path);
    const start = new Uint8Array(MAGIC_AT + 4);
    return file.readSync(start) === start.length && hasDicomMagic(start);
  } catch {
    return false;
  }
}

/** True when the first bytes of a file are a DICOM preamble and magic. */
export function hasDicomMagic(start: Uint8Array): boolean {
  return start.length >= MAGIC_AT + 4 &&
    new TextDecoder().decode(start.subarray(MAGIC_AT, MAGIC_AT + 4)) === "DICM";
}
