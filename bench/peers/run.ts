/**
 * Times a 3x3x3 convolution and its gradients with this project and with other WebGPU libraries, in one run on one adapter.
 *
 *   deno run -A bench/peers/run.ts --help
 *
 * Results are compared before anything is timed; a library with a wrong one is not timed. Exit code 1 when ours is wrong or no
 * other library could be loaded.
 */
import { openGpu } from "../../kernels/runtime/device.ts";
import { chooseClock } from "../clock.ts";
import { contents } from "../data.ts";
import { machineFacts } from "../record.ts";
import { measureRoofline } from "../roofline.ts";
import { runMain } from "../run_main.ts";
import { savedResults, saveResults } from "../save_results.ts";
import { validateCase } from "../validate.ts";
import { ArgumentError, parsePeerArguments, PEERS_USAGE } from "./arguments.ts";
import { compareOps, medianMs } from "./compare_ops.ts";
import { type ConvData, type ConvLibrary, type ConvShape, shapeText, TAPS } from "./conv_library.ts";
import { PeerError, type PeerName } from "./deps.ts";
import { jaxLibrary } from "./jax.ts";
import { ourLibrary, smallCase } from "./ours.ts";
import { PEER_HEADER, type PeerRecord, peerRecord, peerRow } from "./peer_record.ts";
import { withAdapter } from "./same_adapter.ts";
import { sampledDifference } from "./sampled_reference.ts";
import { tfjsLibrary } from "./tfjs.ts";

const OPEN: Readonly<Record<PeerName, () => Promise<ConvLibrary>>> = {
  "jax-js": jaxLibrary,
  "tfjs": tfjsLibrary,
};

function dataOf({ from, to, edge }: ConvShape): ConvData {
  return {
    x: contents("noise", from * edge ** 3, 0),
    w: contents("noise", from * to * TAPS, 1),
    dy: contents("noise", to * edge ** 3, 2),
  };
}

/** Runs the comparison that the arguments describe. @returns exit code */
export async function runPeers(args: readonly string[]): Promise<number> {
  const options = parsePeerArguments(args);
  if (options === null) {
    console.log(PEERS_USAGE);
    return 0;
  }
  const note = (text: string) => console.error(text);
  using gpu = await openGpu({ adapter: options.adapter });
  const machine = await machineFacts(gpu.facts.adapter);
  note(`${machine.adapter}, ${machine.runtime}, commit ${machine.commit}`);
  const libraries: ConvLibrary[] = [ourLibrary(gpu, machine.commit)];
  for (const name of options.peers) {
    try {
      const { opened, adapters } = await withAdapter(
        options.adapter,
        OPEN[name],
      );
      const other = adapters.find((adapter) => adapter !== machine.adapter);
      if (other !== undefined) {
        throw new PeerError(
          `Cannot compare ${name}: it runs on ${other}`,
          name,
        );
      }
      libraries.push(opened);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      note(error.message);
    }
  }
  if (libraries.length === 1 && options.peers.length > 0) return 1;
  const { clock } = await chooseClock(gpu);
  const { gflops: peakGflops } = await measureRoofline(gpu, clock);
  note(`multiply-add peak: ${peakGflops.toFixed(1)} GFLOP/s`);
  if (!options.json) console.log(PEER_HEADER);
  const records: PeerRecord[] = [];
  for (const shape of options.shapes) {
    await validateCase(gpu, smallCase(shape));
    const data = dataOf(shape);
    using prepared = new DisposableStack();
    const ops = [];
    for (const library of libraries) {
      ops.push({
        library,
        ops: prepared.use(await library.prepare(shape, data)),
      });
    }
    for (const op of options.directions) {
      const started = performance.now();
      const timings = await compareOps(
        ops.map(({ library, ops }) => ({ library: library.name, op: ops[op] })),
        options.rounds,
        (result) => sampledDifference(op, shape, data, result),
      );
      const oursMs = medianMs(timings[0]);
      for (const { library, ops: offered } of ops) {
        const refusal = offered[op];
        const record = peerRecord({
          library,
          op,
          shape,
          timing: timings.find((timing) => timing.library === library.name) ??
            null,
          note: typeof refusal === "string" ? refusal : undefined,
          oursMs,
          peakGflops,
          machine,
        });
        console.log(options.json ? JSON.stringify(record) : peerRow(record));
        records.push(record);
      }
      note(
        `${op} ${shapeText(shape)}: ${((performance.now() - started) / 1000).toFixed(0)} s`,
      );
    }
  }
  if (options.save) {
    const command = ["deno run -A bench/peers/run.ts", ...args].join(" ");
    const benchmark = ["peers", ...new Set(records.flatMap(({ shape, op }) => [shape, op]))].join(" ");
    note(`saved ${await saveResults(savedResults(benchmark, command, machine, records))}`);
  }
  return 0;
}

if (import.meta.main) {
  if (!Deno.env.get("XDG_RUNTIME_DIR")) {
    Deno.env.set("XDG_RUNTIME_DIR", Deno.env.get("TMPDIR") ?? "/tmp");
  }
  await runMain(runPeers, ArgumentError);
}
