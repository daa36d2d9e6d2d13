/** The messages between a page and the bridge; docs/protocol.md describes them in full. */

export interface Command {
  request_id: string;
  action: string;
  payload: unknown;
  /** Whether the command may have been sent before, to this or another browser of the seller. */
  repeated?: boolean;
  /** The command must not begin after this time, in ms since 1970 by the bridge's clock. */
  not_after?: number;
}

export interface PluginResponse {
  request_id: string;
  success: boolean;
  data?: unknown;
  error?: string;
  error_code?: string;
  status?: number;
}

export interface Acknowledgement {
  status: "ok" | "unknown" | "refused";
  request_id: string | null;
}

/** The error code of a command that may or may not have taken effect. */
export const OUTCOME_UNKNOWN = "outcome_unknown";

/** Reads a command that arrived; gives undefined if the message is none. */
export function readCommand(value: unknown): Command | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { request_id, action, payload, repeated, not_after } = value as Record<string, unknown>;
  if (typeof request_id !== "string" || request_id === "" || typeof action !== "string") {
    return undefined;
  }
  const command: Command = { request_id, action, payload, repeated: repeated === true };
  return typeof not_after === "number" ? { ...command, not_after } : command;
}

/** Tells whether the bridge took a response, or will never want it, so that it may be forgotten. */
export function isAcknowledgement(value: unknown): value is Acknowledgement {
  if (typeof value !== "object" || value === null) return false;
  const { status } = value as Record<string, unknown>;
  return status === "ok" || status === "unknown" || status === "refused";
}
