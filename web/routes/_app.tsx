/** @jsxImportSource npm:preact@11.2.0 */
import type { ComponentChildren, VNode } from "../islands/deps.ts";
import type { Theme } from "../islands/theme_switch.tsx";
import type { View } from "../route.ts";

/** What the layout of a page needs. */
export interface AppProps {
  readonly title: string;
  readonly run?: View["run"];
  readonly version: string;
  /** Colours that the reader chose. */
  readonly theme: Theme;
  /** Addresses of the style sheet and of the script. */
  readonly style: string;
  readonly script: string | null;
  /** Shown at the end of the header. */
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}

const icon = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b6e99"/>' +
    '<path d="M2 11l4-5 3 3 5-6" fill="none" stroke="#fff" stroke-width="2"/></svg>',
);

/** The layout of every page: head, navigation, content. */
export function App({ title, run, version, theme, style, script, tools, children }: AppProps): VNode {
  return (
    <html lang="en" data-theme={theme === "auto" ? undefined : theme}>
      <head>
        <meta charset="utf-8" />
        <title>{`${title} – Spark3D`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content={theme === "auto" ? "light dark" : theme} />
        <meta name="robots" content="noindex" />
        <link rel="icon" href={icon} />
        <link rel="stylesheet" href={style} />
        {script !== null && <script type="module" src={script} />}
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <header class="top">
          <nav aria-label="Main">
            <a class="brand" href="/">Spark3D</a>
            {run && <RunTabs run={run} />}
          </nav>
          {tools}
        </header>
        <main id="content" tabIndex={-1}>{children}</main>
        <footer class="bottom">Spark3D {version}</footer>
      </body>
    </html>
  );
}

function RunTabs({ run }: { readonly run: NonNullable<View["run"]> }): VNode {
  const base = `/run/${encodeURIComponent(run.id)}`;
  const tabs = [["run", base, "Training"], ["pictures", `${base}/pictures`, "Pictures"], [
    "volume",
    `${base}/volume`,
    "Volumes",
  ]] as const;
  return (
    <>
      <span class="crumb" title={run.id}>{run.id}</span>
      <ul class="tabs">
        {tabs.map(([name, href, text]) => (
          <li key={name}>
            <a href={href} aria-current={run.tab === name ? "page" : undefined}>{text}</a>
          </li>
        ))}
      </ul>
    </>
  );
}
