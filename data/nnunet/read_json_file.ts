import { DataError, toDataError } from "../errors.ts";

/** Content of a JSON file. @throws {DataError} when it cannot be read or is no JSON */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw toDataError(error, path);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const found = `no JSON (${(cause as Error).message})`;
    throw new DataError({ file: path, found, wanted: "a JSON object", remedy: "correct the file" }, {
      cause,
    });
  }
}
