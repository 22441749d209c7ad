import type { CommandContext } from "./context.ts";
import { Command, CommanderError, type CommandUnknownOpts } from "./deps.ts";
import { CliError } from "./errors.ts";
import { Output, type OutputStreams, systemStreams } from "./output.ts";
import { spark3dVersion } from "./version.ts";

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<(context: CommandContext) => CommandUnknownOpts>;
}

/** Every command; a command's module is loaded when it is called. */
export const commandEntries: Readonly<Record<string, CommandEntry>> = {
  pretrain: {
    summary: "pre-train a network on unlabelled volumes",
    load: async () => (await import("./commands/pretrain.ts")).pretrainCommand,
  },
  dashboard: {
    summary: "show runs in the browser while they happen",
    load: async () => (await import("./commands/dashboard.ts")).dashboardCommand,
  },
  prepare: {
    summary: "read volumes, crop, normalise and resample them into a store",
    load: async () => (await import("./commands/prepare.ts")).prepareCommand,
  },
  report: {
    summary: "describe a store: one HTML file with figures, rejections and middle slices",
    load: async () => (await import("./commands/report.ts")).reportCommand,
  },
  phantom: {
    summary: "write a cohort of procedural heads with label maps",
    load: async () => (await import("./commands/phantom.ts")).phantomCommand,
  },
  predict: {
    summary: "segment scans with fine-tuned networks",
    load: async () => (await import("./commands/predict.ts")).predictCommand,
  },
  finetune: {
    summary: "train a segmentation network on a labelled data set",
    load: async () => (await import("./commands/finetune.ts")).finetuneCommand,
  },
  evaluate: {
    summary: "compare segmentations with reference segmentations",
    load: async () => (await import("./commands/evaluate.ts")).evaluateCommand,
  },
  compare: {
    summary: "compare methods by their evaluations: one HTML file with figures, ranks and tests",
    load: async () => (await import("./commands/compare.ts")).compareCommand,
  },
  postprocess: {
    summary: "keep the largest components of segmentations where that helps",
    load: async () => (await import("./commands/postprocess.ts")).postprocessCommand,
  },
  export: {
    summary: "hand a network over to nnssl, nnU-Net or an ONNX runtime",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  "plan-dataset": {
    summary: "check a labelled data set and plan its fine-tuning",
    load: async () => (await import("./commands/plan_dataset.ts")).planDatasetCommand,
  },
  "import-plans": {
    summary: "take over a plans.json of nnU-Net",
    load: async () => (await import("./commands/import_plans.ts")).importPlansCommand,
  },
  import: {
    summary: "take over weights of nnssl or nnU-Net",
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  inspect: {
    summary: "say what a file of weights holds",
    load: async () => (await import("./commands/inspect.ts")).inspectCommand,
  },
  plan: {
    summary: "print the memory and dispatch plan of a network without running it",
    load: async () => (await import("./commands/plan.ts")).planCommand,
  },
  study: {
    summary: "run a whole experiment and report it",
    load: async () => (await import("./commands/study.ts")).studyCommand,
  },
  tune: {
    summary: "measure which tiles of a run's convolutions are fastest on this adapter",
    load: async () => (await import("./commands/tune.ts")).tuneCommand,
  },
  doctor: {
    summary: "print what this machine offers and what is missing",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
  },
  test: {
    summary: "run the checks of this checkout",
    load: async () => (await import("./commands/test.ts")).testCommand,
  },
  bench: {
    summary: "time the operations and a whole step on this adapter",
    load: async () => (await import("./commands/bench.ts")).benchCommand,
  },
};

/**
 * Runs one command line.
 *
 * @param args without the program's name
 * @returns exit code: 0 success, 1 failure, 2 wrong usage, 130 and 143 stopped by SIGINT and SIGTERM
 */
export async function runProgram(
  args: readonly string[],
  streams: OutputStreams = systemStreams(),
): Promise<number> {
  const output = new Output(args.includes("--json"), streams);
  const context: CommandContext = { output, exitCode: 0 };
  try {
    const program = await buildProgram(args, context, streams);
    await program.parseAsync([...args], { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error; // nobody reads any more; main.ts ends quietly
    if (error instanceof CommanderError) return commanderExit(error, output);
    output.fail(error);
    return error instanceof CliError ? error.exitCode : 1;
  }
}

async function buildProgram(
  args: readonly string[],
  context: CommandContext,
  streams: OutputStreams,
): Promise<CommandUnknownOpts> {
  const program = new Command("spark3d")
    .description("Pre-trains Residual Encoder U-Nets as sparse masked auto-encoders on unlabelled 3D MRI.")
    .version(spark3dVersion, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout(text),
      writeErr: (text) => streams.stderr(text),
      outputError: () => {}, // printed by commanderExit, on one line
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    });
  const called = args.find((argument) => !argument.startsWith("-"));
  for (const [name, entry] of Object.entries(commandEntries)) {
    const command: CommandUnknownOpts = name === called
      ? (await entry.load())(context).name(name).summary(entry.summary)
      : new Command(name).summary(entry.summary);
    program.addCommand(command.copyInheritedSettings(program as unknown as CommandUnknownOpts));
    for (const subcommand of command.commands) subcommand.copyInheritedSettings(command);
  }
  return program as unknown as CommandUnknownOpts;
}

/** Prints a usage error on one line and returns the exit code; help and version are no errors. */
function commanderExit(error: CommanderError, output: Output): number {
  if (error.exitCode === 0) return 0;
  if (error.code === "commander.help") return 2; // no command given: the help is on stderr
  const text = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  output.fail(new CliError(text.charAt(0).toUpperCase() + text.slice(1), 2));
  return 2;
}
