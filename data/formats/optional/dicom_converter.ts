// Converts the DICOM files that are listed in a text file to NIfTI with dcm2niix, into the folder of that list.
// Arguments: module, image (for messages), list with one path a line.
import { EXIT_NO_MODULE, EXIT_NOT_READ } from "./run_converter.ts";

/** What is used of dcm2niix. */
interface Converter {
  init(): Promise<boolean>;
  input(files: readonly File[]): Commands;
}
interface Commands {
  b(value: "n"): Commands;
  f(name: string): Commands;
  z(value: "n"): Commands;
  run(): Promise<File[]>;
}

const [module, , list] = Deno.args;
const { Dcm2niix }: { Dcm2niix: new () => Converter } = await import(module).catch((error) =>
  leave(EXIT_NO_MODULE, error)
);
// The module prints its progress to stdout, where only this program's own lines should be read.
const paths = Deno.readTextFileSync(list).split("\n").filter((path) => path !== "");
const files = paths.map((path, i) => new File([Deno.readFileSync(path)], `${i}.dcm`));
try {
  const converter = new Dcm2niix();
  await converter.init();
  const folder = list.slice(0, list.lastIndexOf("/"));
  for (const file of await converter.input(files).b("n").z("n").f("image").run()) {
    if (file.name.endsWith(".nii")) Deno.writeFileSync(`${folder}/${file.name}`, await file.bytes());
  }
} catch (error) {
  leave(EXIT_NOT_READ, error);
}
Deno.exit(0);

function leave(code: number, reason: unknown): never {
  console.error(String(reason instanceof Error ? reason.message : reason).replace(/\s+/g, " ").slice(0, 300));
  Deno.exit(code);
}
