/** How {@linkcode runProcess} runs a program. */
export interface ProcessOptions {
  /** receives the output line by line, stdout and stderr as they come */
  readonly log: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a program, passing its output on as it comes. A program that cannot be started gives code 127. */
export async function runProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<{ readonly code: number; readonly stdout: string }> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      cwd: options.cwd,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    options.log(`cannot start ${program}: ${error instanceof Error ? error.message : error}`);
    return { code: 127, stdout: "" };
  }
  const stop = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGTERM", stop);
  const lines: string[] = [];
  await Promise.all([
    eachLine(child.stdout, (line) => {
      lines.push(line);
      options.log(line);
    }),
    eachLine(child.stderr, options.log),
  ]);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGTERM", stop);
  return { code, stdout: lines.join("\n") };
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  log: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(log);
  }
  if (rest !== "") log(rest);
}
