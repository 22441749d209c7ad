/** Every island by name: the components that also run in the browser. */
export const islands = {};
