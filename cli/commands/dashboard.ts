import type { CommandContext } from "../context.ts";
import { dashboardDefaults, dashboardUrls, isLocalHost, portNumber } from "../dashboard_address.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { CliError } from "../errors.ts";
import { jsonOption } from "../options.ts";
import { requireFolder } from "../paths.ts";
import { runsFolder } from "../run_folder.ts";
import { stopSignal } from "../stop_signal.ts";
import { endWithParent } from "../run_dashboard.ts";
import { spark3dVersion } from "../version.ts";

interface DashboardCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly token?: true;
  readonly allowControl?: true;
  readonly withParent?: true;
}

/** How many further ports are tried when the port is taken. */
const FURTHER_PORTS = 50;

/** `spark3d dashboard`: shows runs in the browser. */
export function dashboardCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Serves pages on which runs can be watched while they happen, looked at afterwards and compared. Only this machine " +
        "reaches them, unless --host names another address: then a token is needed, which is in the address printed here. " +
        "Runs on other machines show up when their folder is on a shared disk. Ctrl-C ends it.",
    )
    .argument("[folders...]", `folders that hold runs, or run folders (default: ${runsFolder})`)
    .option("--host <address>", "address to listen on; 0.0.0.0 is every one", dashboardDefaults.host)
    .option("--port <n>", "port, or the next free one", portNumber, dashboardDefaults.port)
    .option("--token", "ask for a token on this machine, too")
    .option(
      "--allow-control",
      "let the pages add notes, and stop or save runs that were started with --allow-control",
    )
    .addOption(new Option("--with-parent", "end when stdin ends").hideHelp())
    .addOption(jsonOption())
    .action((folders, options) => serve(context, folders, options)) as unknown as CommandUnknownOpts;
}

async function serve(
  { output }: CommandContext,
  folders: readonly string[],
  options: DashboardCommandOptions,
): Promise<void> {
  const { host, port, allowControl = false } = options;
  const roots = folders.length === 0 ? [runsFolder] : folders;
  for (const root of roots) await requireFolder("show the runs in", root);
  const { serveDashboard } = await import("../../web/server.ts");
  const { newToken } = await import("../../web/security.ts");
  const token = options.token || !isLocalHost(host) ? newToken() : null;
  using signal = options.withParent ? endWithParent() : stopSignal(() => output.log("ending the dashboard"));
  try {
    await serveDashboard({
      roots,
      token,
      allowControl,
      version: spark3dVersion,
      hostname: host,
      port,
      furtherPorts: FURTHER_PORTS,
      signal,
      onListen: (found) => {
        const urls = dashboardUrls({ host, port: found.port }, Deno.hostname(), token);
        if (port !== 0 && found.port !== port) output.log(`port ${port} is taken, using ${found.port}`);
        output.result({ url: urls[0], urls, port: found.port }, `dashboard at ${urls.join(" and ")}`);
      },
    });
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new CliError(
      `Cannot listen on ${host}:${port}: ${error.message}: choose another --host or --port`,
      1,
      {
        cause: error,
      },
    );
  }
}
