/** Command line of bench/peers/run.ts. */
import { parseArgs } from "node:util";
import type { AdapterChoice } from "../../kernels/runtime/device.ts";
import { type ConvShape, type Direction, DIRECTIONS } from "./conv_library.ts";
import { PEER_PACKAGES, type PeerName } from "./deps.ts";

/** What the command line asks for. */
export interface PeerArguments {
  readonly shapes: readonly ConvShape[];
  readonly directions: readonly Direction[];
  readonly peers: readonly PeerName[];
  readonly adapter: AdapterChoice;
  /** Most timed samples of a library at one shape and operation. */
  readonly rounds: number;
  readonly json: boolean;
  readonly save: boolean;
}

/** Help text. */
export const PEERS_USAGE =
  `Usage: deno run -A bench/peers/run.ts [--shape=IN,OUT,EDGE]... [--op=NAME]... [--peers=LIST] [options]

Times a 3x3x3 convolution and its gradients with this project and with other WebGPU libraries, in one run on
one adapter.

  --shape=IN,OUT,EDGE  channels in and out and edge of the cube; repeatable (default: 32,32,48 and 128,128,16)
  --op=NAME            ${DIRECTIONS.join(", ")}; repeatable (default: all)
  --peers=LIST         ${Object.keys(PEER_PACKAGES).join(",")} (default: all)
  --rounds=N           most timed samples of a library, operation and shape (default: 5)
  --adapter=NAME       auto, high, low or software (default: auto)
  --json               JSON lines only, notes on stderr
  --save               keep the results in bench/results`;

/** An argument that cannot be used. */
export class ArgumentError extends Error {
  override name = "ArgumentError";
}

const DEFAULT_SHAPES = ["32,32,48", "128,128,16"];
const ADAPTERS: readonly AdapterChoice[] = ["auto", "high", "low", "software"];

/** Reads the command line; null asks for help. @throws {ArgumentError} naming the argument, what it may be, and what was found */
export function parsePeerArguments(
  args: readonly string[],
): PeerArguments | null {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        "shape": { type: "string", multiple: true, default: DEFAULT_SHAPES },
        "op": { type: "string", multiple: true, default: [...DIRECTIONS] },
        "peers": {
          type: "string",
          default: Object.keys(PEER_PACKAGES).join(","),
        },
        "rounds": { type: "string", default: "5" },
        "adapter": { type: "string", default: "auto" },
        "json": { type: "boolean", default: false },
        "save": { type: "boolean", default: false },
        "help": { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (cause) {
    throw new ArgumentError(
      cause instanceof Error ? cause.message : String(cause),
      { cause },
    );
  }
  if (values.help) return null;
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new ArgumentError(
      `Cannot use --rounds=${values.rounds}: wanted a whole number above 0`,
    );
  }
  return {
    shapes: values.shape.map(parseShape),
    directions: values.op.map((op) => oneOf("--op", op, DIRECTIONS)),
    peers: values.peers.split(",").filter((name) => name !== "").map((name) =>
      oneOf("--peers", name, Object.keys(PEER_PACKAGES) as PeerName[])
    ),
    adapter: oneOf("--adapter", values.adapter, ADAPTERS),
    rounds,
    json: values.json,
    save: values.save,
  };
}

function parseShape(text: string): ConvShape {
  const numbers = text.split(",").map(Number);
  if (
    numbers.length !== 3 || !numbers.every((n) => Number.isInteger(n) && n > 0)
  ) {
    throw new ArgumentError(
      `Cannot use --shape=${text}: wanted IN,OUT,EDGE, three whole numbers above 0, such as ${
        DEFAULT_SHAPES[0]
      }`,
    );
  }
  const [from, to, edge] = numbers;
  return { from, to, edge };
}

function oneOf<T extends string>(
  flag: string,
  found: string,
  wanted: readonly T[],
): T {
  const value = wanted.find((name) => name === found);
  if (value !== undefined) return value;
  throw new ArgumentError(
    `Cannot use ${flag}=${found}: wanted ${wanted.join(", ")}`,
  );
}
