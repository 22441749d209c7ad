/** The only reader of nnU-Net that changes the axes of a file: it turns volumes to right, anterior, superior. */
const REORIENTING_READER = "NibabelIOWithReorient";

/** Axis codes that a reader of nnU-Net brings volumes to; null when it keeps the axes of the file. */
export function readerOrientation(reader: unknown): string | null {
  return reader === REORIENTING_READER ? "RAS" : null;
}
