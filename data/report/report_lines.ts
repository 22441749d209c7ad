import { z } from "../deps.ts";
import { DataError, toDataError } from "../errors.ts";
import { REPORT_FILE } from "../prepare/outputs.ts";

/** Longest line that is read; one image's line has a few hundred characters. */
const MAX_LINE = 1 << 20;

const dims3 = z.tuple([z.number(), z.number(), z.number()]);

const lineSchema = z.object({
  id: z.string(),
  file: z.string(),
  status: z.enum(["prepared", "rejected"]),
  rule: z.string().optional(),
  reason: z.string().optional(),
  warnings: z.array(z.string()).optional(),
  shape: dims3.optional(),
  spacing: dims3.optional(),
  sourceShape: dims3.optional(),
  sourceSpacing: dims3.optional(),
});

/** What became of one image; shapes in voxels and spacings in mm along z, y, x. */
export type ReportLine = z.infer<typeof lineSchema>;

/**
 * Reads a store's report.jsonl line by line; nothing when the store has none.
 *
 * @param store folder of the store
 * @throws {DataError} naming the line that is no report line
 */
export async function* readReportLines(store: string): AsyncGenerator<ReportLine> {
  const path = `${store}/${REPORT_FILE}`;
  let number = 0;
  for await (const text of textLines(path)) {
    number++;
    if (text.trim() === "") continue;
    yield parseLine(text, path, number);
  }
}

function parseLine(text: string, path: string, number: number): ReportLine {
  let found = "damaged JSON";
  try {
    const checked = lineSchema.safeParse(JSON.parse(text));
    if (checked.success) return checked.data;
    const issue = checked.error.issues[0];
    found = `${issue.path.join(".") || "the line"}: ${issue.message}`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new DataError({
    file: `${path} line ${number}`,
    found,
    wanted: "one JSON object for one image",
    remedy: "run prepare again, which writes it anew",
  });
}

async function* textLines(path: string): AsyncGenerator<string> {
  try {
    const file = await Deno.open(path);
    let rest = "";
    for await (const piece of file.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) {
        const found = `a line of more than ${MAX_LINE} characters`;
        throw new DataError({ file: path, found, wanted: "JSON lines", remedy: "run prepare again" });
      }
      yield* lines;
    }
    if (rest !== "") yield rest;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toDataError(error, path);
  }
}
