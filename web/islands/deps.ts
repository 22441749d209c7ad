/** Third-party modules of the code that runs in the browser, pinned. */
export {
  type ComponentChild,
  type ComponentChildren,
  type FunctionComponent,
  h,
  hydrate,
  type RefObject,
  type VNode,
} from "npm:preact@11.2.0";
export { useCallback, useEffect, useMemo, useRef, useState } from "npm:preact@11.2.0/hooks";
export {
  computed,
  effect,
  type ReadonlySignal,
  signal,
  useComputed,
  useSignal,
} from "npm:@preact/signals@2.11.4";
export { default as uPlot } from "npm:uplot@1.6.32";
