import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { jsonOption } from "../options.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d prepare verify`: reads every array of a store again and compares checksums. */
export function verifyCommand(context: CommandContext): CommandUnknownOpts {
  return new Command("verify")
    .description(
      "Reads every array of a store again and compares size, checksum, shape and type with its index. Exit code 1 when " +
        "something is missing or damaged: remove the damaged array and prepare again.",
    )
    .summary("read a store again and compare checksums")
    .argument("<store>", "store to check")
    .addOption(jsonOption())
    .action(async (store) => {
      const { output } = context;
      const { verifyStore } = await import("../../data/verify_store.ts");
      using signal = stopSignal((received) => output.log(`${received}: stopping`));
      const bar = output.progress("verify", 0);
      let arrays = 0, bytes = 0;
      const problems = await verifyStore(store, {
        signal,
        onProgress: ({ done, total, bytesDone }) => {
          arrays = done;
          bytes = bytesDone;
          bar.update(done, `${(bytesDone / 2 ** 30).toFixed(1)} GiB`, total);
        },
      });
      bar.end();
      for (const { kind, path, detail } of problems) output.warn(`${kind}: ${store}/${path}: ${detail}`);
      if (problems.length > 0) context.exitCode = 1;
      const text = problems.length === 0 ? "all as written" : `${problems.length} not as the index says`;
      output.result(
        { ok: problems.length === 0, store, arrays, bytes, problems },
        `${arrays} arrays, ${(bytes / 2 ** 30).toFixed(2)} GiB in ${store}: ${text}`,
      );
    }) as unknown as CommandUnknownOpts;
}
