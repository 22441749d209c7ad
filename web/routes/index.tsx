/** @jsxImportSource npm:preact@11.2.0 */
import { Island } from "../island.tsx";
import type { Route } from "../route.ts";

/** All runs below the dashboard's folders, and the reports of studies. */
export const indexRoute: Route = {
  method: "GET",
  path: "/",
  async handle({ dashboard }) {
    const { runs, reports, message } = await dashboard.runs.list();
    return {
      title: "Runs",
      body: (
        <>
          <h1>Runs</h1>
          {message && <p class="notice">{message}</p>}
          <Island name="RunTable" props={{ runs, now: Date.now() }} />
          {reports.length > 0 && (
            <section class="panel" aria-label="Reports">
              <h2>Reports</h2>
              <ul>
                {reports.map(({ id, title, url }) => (
                  <li key={id}>
                    <a href={url}>{title}</a>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </>
      ),
    };
  },
};
