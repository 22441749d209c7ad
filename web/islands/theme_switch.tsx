/** @jsxImportSource npm:preact@11.2.0 */
import { useState, type VNode } from "./deps.ts";

/** Colours of the pages, "auto" for those of the system. */
export type Theme = "auto" | "light" | "dark";

const YEAR_SECONDS = 365 * 86400;

/** Chooses the colours of all pages; the server learns of it by a cookie. */
export function ThemeSwitch({ theme }: { readonly theme: Theme }): VNode {
  const [chosen, setChosen] = useState(theme);
  const choose = (next: Theme) => {
    setChosen(next);
    const { dataset } = document.documentElement;
    if (next === "auto") delete dataset.theme;
    else dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=${next === "auto" ? 0 : YEAR_SECONDS}; samesite=strict`;
    document.querySelector("meta[name=color-scheme]")?.setAttribute(
      "content",
      next === "auto" ? "light dark" : next,
    );
  };
  return (
    <select
      aria-label="Colours"
      value={chosen}
      onChange={(event) => choose(event.currentTarget.value as Theme)}
    >
      {(["auto", "light", "dark"] as const).map((name) => (
        <option key={name} value={name} selected={name === chosen}>{name}</option>
      ))}
    </select>
  );
}
