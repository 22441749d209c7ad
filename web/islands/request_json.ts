import type { ApiError } from "../api.ts";

/**
 * Asks the server for JSON, with `body` as a POST.
 * @throws {Error} with the server's own words when it refuses, or when it cannot be reached
 */
export async function requestJson<T>(address: string, body?: object): Promise<T> {
  const post = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(address, post).catch(() => {
    throw new Error("The dashboard does not answer: is it still running?");
  });
  const answer: T | ApiError = await response.json().catch(() => ({
    error: `Found no JSON in the answer (${response.status})`,
  }));
  if (response.ok) return answer as T;
  throw new Error((answer as ApiError).error ?? `The dashboard answered ${response.status}`);
}
