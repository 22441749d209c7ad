import { commandEntries, runProgram } from "../../cli/program.ts";

/** The help text of one command line. */
async function helpOf(...args: string[]): Promise<string> {
  let text = "";
  const streams = {
    stdout: (part: string) => void (text += part),
    stderr: () => {},
    terminal: false,
    width: () => 100,
  };
  await runProgram([...args, "--help"], streams);
  return text.trimEnd();
}

/** Commands below a command. */
const subcommands: Readonly<Record<string, readonly string[]>> = { prepare: ["merge", "verify"] };

/** `docs/cli.md`: the help text of every command. */
export async function helpPage(): Promise<string> {
  const sections = ["# Command line", "", "The help texts of `spark3d`, as it prints them."];
  sections.push("", "```text", await helpOf(), "```");
  for (const name of Object.keys(commandEntries)) {
    for (const command of [[name], ...(subcommands[name] ?? []).map((second) => [name, second])]) {
      sections.push("", `## spark3d ${command.join(" ")}`, "", "```text", await helpOf(...command), "```");
    }
  }
  return sections.join("\n") + "\n";
}
