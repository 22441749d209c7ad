import type { SafetensorsTensor } from "../../data/safetensors.ts";
import type { StoredTensor } from "./source.ts";
import { toFloat32 } from "./to_float32.ts";
import type { KeyReport } from "./types.ts";

/** The tensor that counts for every parameter name that a file has. */
export function chooseTensors(tensors: readonly StoredTensor[]): Map<string, StoredTensor> {
  const chosen = new Map<string, StoredTensor>();
  for (const tensor of tensors) {
    if (tensor.parameter === null) continue;
    const before = chosen.get(tensor.parameter);
    if (before === undefined || tensor.rank < before.rank) chosen.set(tensor.parameter, tensor);
  }
  return chosen;
}

/**
 * Accounts for every tensor of a file. Keys of one parameter are compared: those in one memory at once, others by their values.
 *
 * @param chosen what {@linkcode chooseTensors} returned
 * @param parameters what the network needs
 * @param read values of a tensor, by key
 */
export async function reportKeys(
  tensors: readonly StoredTensor[],
  chosen: ReadonlyMap<string, StoredTensor>,
  parameters: readonly { readonly name: string }[],
  read: (key: string) => Promise<SafetensorsTensor>,
): Promise<KeyReport> {
  const wanted = new Set(parameters.map(({ name }) => name));
  const used: { key: string; name: string }[] = [];
  const aliases: { key: string; of: string }[] = [];
  const skipped: { key: string; reason: string }[] = [];
  const conflicts = new Set<string>();
  const compare = comparison(read);
  for (const tensor of tensors) {
    const { key, parameter, reason } = tensor;
    const winner = parameter === null ? undefined : chosen.get(parameter);
    if (winner === undefined) skipped.push({ key, reason });
    else if (!wanted.has(winner.parameter!)) skipped.push({ key, reason: "no part of this network" });
    else if (winner === tensor) used.push({ key, name: winner.parameter! });
    else if (await compare(winner, tensor)) aliases.push({ key, of: winner.key });
    else {
      conflicts.add(winner.parameter!);
      skipped.push({ key, reason: differenceText(winner, tensor) });
    }
  }
  const missing = [...wanted].filter((name) => !chosen.has(name));
  return { used, aliases, skipped, missing, conflicts: [...conflicts] };
}

function differenceText(winner: StoredTensor, { key }: StoredTensor): string {
  const trained = winner.key.includes(".all_modules.") && !key.includes(".all_modules.");
  return trained
    ? "untrained copy: its all_modules twin differs and counts"
    : `differs from ${winner.key}, which counts`;
}

/** Compares with the winner of a parameter; remembers per pair of memories what was found. */
function comparison(read: (key: string) => Promise<SafetensorsTensor>) {
  const known = new Map<string, boolean>();
  return async (winner: StoredTensor, other: StoredTensor): Promise<boolean> => {
    if (winner.memory === other.memory) return true;
    if (winner.shape.join() !== other.shape.join()) return false;
    const pair = JSON.stringify([winner.memory, other.memory]);
    const before = known.get(pair);
    if (before !== undefined) return before;
    const equal = sameValues(await read(winner.key), await read(other.key));
    known.set(pair, equal);
    return equal;
  };
}

function sameValues(a: SafetensorsTensor, b: SafetensorsTensor): boolean {
  const x = toFloat32(a), y = toFloat32(b);
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== y[i] && !(Number.isNaN(x[i]) && Number.isNaN(y[i]))) return false;
  }
  return true;
}
