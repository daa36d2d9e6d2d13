/** The states and events by which the relay tells of itself. */

/**
 * - `waiting-for-tab`: another tab of this seller relays; this one takes over when it is gone.
 * - `waiting-for-plugin`: the browser plugin has not put itself into the page.
 * - `connecting`, `connected`: the connection to the bridge is being made, or stands.
 * - `disconnected`: the bridge is away; the relay tries again by itself.
 * - `refused`: the bridge does not take the token; a new one is needed.
 * - `closed`: `close()` has ended the relay for good.
 */
export type RelayState =
  | "waiting-for-tab"
  | "waiting-for-plugin"
  | "connecting"
  | "connected"
  | "disconnected"
  | "refused"
  | "closed";

export type RelayEvent =
  | { type: "state"; state: RelayState; detail: string }
  /** A command arrived and is being carried out. */
  | { type: "command"; request_id: string; action: string }
  /** A command arrived again: answered from memory, or still being carried out. */
  | { type: "repeated"; request_id: string; action: string; from_memory: boolean }
  /** A command ended; its answer is stored, and is sent as soon as possible. */
  | {
      type: "answered";
      request_id: string;
      action: string;
      success: boolean;
      error: string | undefined;
      error_code: string | undefined;
    }
  /** The bridge has the answer, or does not want it (`unknown`, `refused`). */
  | { type: "acknowledged"; request_id: string; status: "ok" | "unknown" | "refused" }
  /** A problem occurred, and the relay goes on. */
  | { type: "warning"; message: string };

export type Report = (event: RelayEvent) => void;
