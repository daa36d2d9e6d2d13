/** Lets only one of a seller's tabs in this browser relay. */

export interface Surroundings {
  /** Whether one tab can exclude the others. */
  locks: boolean;
  /** Whether data can outlive the page. */
  storage: boolean;
}

/** The abilities of this browser, or of Node. */
export function surroundings(): Surroundings {
  return {
    locks: typeof navigator !== "undefined" && typeof navigator.locks?.request === "function",
    storage: typeof indexedDB !== "undefined" && indexedDB !== null,
  };
}

/**
 * Waits until no other tab holds the lock, and holds it until the task is over. The browser
 * releases it when the page ends, however it ends. So whoever reads "begun" in the memory knows
 * that no other tab is at work on it.
 *
 * Without Web Locks the task begins at once.
 */
export async function holdingTab(
  name: string,
  signal: AbortSignal,
  task: () => Promise<void>,
): Promise<void> {
  if (surroundings().locks) await navigator.locks.request(name, { signal }, task);
  else await task();
}
