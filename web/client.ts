import { islands } from "./islands.ts";
import { type FunctionComponent, h, hydrate } from "./islands/deps.ts";

const components = islands as unknown as Readonly<Record<string, FunctionComponent<object>>>;
for (const element of document.querySelectorAll<HTMLElement>("[data-island]")) {
  const { island = "", props = "{}" } = element.dataset;
  hydrate(h(components[island], JSON.parse(props)), element);
}
