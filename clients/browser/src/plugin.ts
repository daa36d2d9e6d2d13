/** The browser plugin, as it shows itself to the page. */

/** What carries out commands: returns `{success, data, error, errorCode, status}`. */
export type Execute = (action: string, payload: unknown) => unknown;

interface Stoflow {
  executeAction?: Execute;
}

function stoflow(): Stoflow | undefined {
  return (globalThis as { stoflow?: Stoflow }).stoflow;
}

/** Whether the plugin has put itself into the page; it may do so after the page has loaded. */
export function pluginIsThere(): boolean {
  return typeof stoflow()?.executeAction === "function";
}

/** `window.stoflow.executeAction`, looked up at each call: the plugin may be replaced. */
export const executeWithPlugin: Execute = (action, payload) =>
  stoflow()?.executeAction?.(action, payload);
