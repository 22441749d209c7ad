/** @jsxImportSource npm:preact@11.2.0 */
import { assetAddress } from "./assets.ts";
import { renderToString } from "./deps.ts";
import { Island } from "./island.tsx";
import type { View } from "./route.ts";
import { App } from "./routes/_app.tsx";

/**
 * Renders a view with its layout.
 *
 * @param options.version of Spark3D
 * @param options.cookies of the request; `theme=dark` and `theme=light` choose the colours
 */
export async function renderView(
  view: View,
  options: { readonly version: string; readonly cookies: string | null },
): Promise<Response> {
  const cookie = /(?:^|;\s*)theme=(light|dark)(?:;|$)/.exec(options.cookies ?? "")?.[1];
  const theme = cookie === "light" || cookie === "dark" ? cookie : "auto";
  const live = view.status === undefined; // a refusal needs no script
  const html = renderToString(
    <App
      title={view.title}
      run={view.run}
      version={options.version}
      theme={theme}
      style={await assetAddress("style.css")}
      script={live ? await assetAddress("client.js") : null}
      tools={live && <Island name="ThemeSwitch" props={{ theme }} />}
    >
      {view.body}
    </App>,
  );
  return new Response(`<!doctype html>${html}`, {
    status: view.status ?? 200,
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}
