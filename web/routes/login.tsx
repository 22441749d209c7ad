/** @jsxImportSource npm:preact@11.2.0 */
import type { View } from "../route.ts";

/** The page that asks for the token. @param wrong whether one was given and was not right */
export function loginView(wrong: boolean): View {
  return {
    title: "Token needed",
    status: 401,
    body: (
      <section class="panel message">
        <h1>Token needed</h1>
        <p>
          This dashboard opens with the token that <code>spark3d</code> printed when it was started.
        </p>
        {wrong && <p class="error" role="alert">This token is not the right one.</p>}
        <form method="get" action="/">
          <label for="token">Token</label>
          <input id="token" name="token" type="password" autocomplete="off" required autofocus />
          <button type="submit">Open</button>
        </form>
      </section>
    ),
  };
}
