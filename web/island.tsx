/** @jsxImportSource npm:preact@11.2.0 */
import { islands } from "./islands.ts";
import { type FunctionComponent, h, type VNode } from "./islands/deps.ts";

type Islands = typeof islands;

/** Props of an island by its name. */
export type IslandProps<N extends keyof Islands> = Islands[N] extends (props: infer P) => unknown ? P : never;

/**
 * Renders an island on the server and leaves what the browser needs to bring it to life.
 *
 * @param name key of {@linkcode islands}
 * @param props JSON values only
 */
export function Island<N extends keyof Islands>({ name, props }: { name: N; props: IslandProps<N> }): VNode {
  const component = (islands as Readonly<Record<string, unknown>>)[name] as FunctionComponent<object>;
  return (
    <div class="island" data-island={name} data-props={JSON.stringify(props)}>
      {h(component, props as object)}
    </div>
  );
}
