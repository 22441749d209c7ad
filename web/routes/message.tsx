/** @jsxImportSource npm:preact@11.2.0 */
import type { View } from "../route.ts";

const titles: Readonly<Record<number, string>> = { 401: "Token needed", 404: "Not found", 500: "Error" };

/** The page for a request that cannot be answered. */
export function messageView(status: number, message: string): View {
  const title = titles[status] ?? "Refused";
  return {
    title,
    status,
    body: (
      <section class="panel message">
        <h1>{title}</h1>
        <p>{message}</p>
        <p>
          <a href="/">All runs</a>
        </p>
      </section>
    ),
  };
}
