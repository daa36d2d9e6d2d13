/** Of all tabs of a seller in this browser, one relays. */

export interface Surroundings {
  /** Whether one tab can exclude the others. */
  locks: boolean;
  /** Whether something can outlive the page. */
  storage: boolean;
}

/** What this browser, or Node, has to offer here. */
export function surroundings(): Surroundings {
  return {
    locks: typeof navigator !== "undefined" && typeof navigator.locks?.request === "function",
    storage: typeof indexedDB !== "undefined" && indexedDB !== null,
  };
}

/**
 * Wait until no other tab holds the lock, and hold it until the task is over. The browser frees
 * it when the page goes, however it goes.
 *
 * Without Web Locks it begins at once.
 */
export async function holdingTab(
  name: string,
  signal: AbortSignal,
  task: () => Promise<void>,
): Promise<void> {
  if (surroundings().locks) await navigator.locks.request(name, { signal }, task);
  else await task();
}
