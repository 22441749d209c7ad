/** Third-party modules of the pages' islands. */
export { type ComponentChildren, h, hydrate } from "npm:preact@11.2.0";
export { useEffect, useId, useMemo, useRef, useState } from "npm:preact@11.2.0/hooks";
export { computed, effect, type Signal, signal, useComputed, useSignal } from "npm:@preact/signals@2.11.4";
export { default as uPlot } from "npm:uplot@1.6.32";
