/** What the relay tells of itself. */

/**
 * - `waiting-for-tab`: another tab of this seller relays; this one takes over when it is gone.
 * - `waiting-for-plugin`: the browser plugin has not put itself into the page.
 * - `connecting`, `connected`: as they say.
 * - `disconnected`: the bridge is away; the next try follows by itself.
 * - `refused`: the bridge does not take the token; a new one is needed.
 * - `closed`: by `close()`, for good.
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
  /** A command arrived and is carried out. */
  | { type: "command"; request_id: string; action: string }
  /** A command arrived again: answered from memory, or still being carried out. */
  | { type: "repeated"; request_id: string; action: string; from_memory: boolean }
  /** It is known how a command went; the answer is stored, and sent as soon as possible. */
  | {
      type: "answered";
      request_id: string;
      action: string;
      success: boolean;
      error: string | undefined;
      error_code: string | undefined;
    }
  /** The bridge has an answer, or does not want it (`unknown`, `refused`). */
  | { type: "acknowledged"; request_id: string; status: "ok" | "unknown" | "refused" }
  /** Something is not as it should be; the relay goes on. */
  | { type: "warning"; message: string };

export type Report = (event: RelayEvent) => void;
