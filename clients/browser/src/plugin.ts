/** The browser plugin, as it shows itself to the page. */

/** Carries out a command, and returns `{success, data, error, errorCode, status}`. */
export type Execute = (action: string, payload: unknown) => unknown;

interface Stoflow {
  executeAction?: Execute;
}

function stoflow(): Stoflow | undefined {
  return (globalThis as { stoflow?: Stoflow }).stoflow;
}

/** Tells whether the plugin is in the page; it may come after the page has loaded. */
export function pluginIsThere(): boolean {
  return typeof stoflow()?.executeAction === "function";
}

/** Calls `window.stoflow.executeAction`, looked up each time: the plugin may be replaced. */
export const executeWithPlugin: Execute = (action, payload) =>
  stoflow()?.executeAction?.(action, payload);
