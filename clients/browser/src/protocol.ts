/** What passes between a page and the bridge; told in full in docs/protocol.md. */

export interface Command {
  request_id: string;
  action: string;
  payload: unknown;
  /** It may have been sent before, to this browser or to another of the seller's. */
  repeated?: boolean;
  /** When it must not be begun any more, in ms since 1970 by the bridge's clock. */
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

/** The error code of what may or may not have happened. */
export const OUTCOME_UNKNOWN = "outcome_unknown";

/** The command that arrived, or undefined where it is not one. */
export function readCommand(value: unknown): Command | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { request_id, action, payload, repeated, not_after } = value as Record<string, unknown>;
  if (typeof request_id !== "string" || request_id === "" || typeof action !== "string") {
    return undefined;
  }
  const command: Command = { request_id, action, payload, repeated: repeated === true };
  return typeof not_after === "number" ? { ...command, not_after } : command;
}

/** Whether the bridge took a response, or will never want it: then it may be forgotten. */
export function isAcknowledgement(value: unknown): value is Acknowledgement {
  if (typeof value !== "object" || value === null) return false;
  const { status } = value as Record<string, unknown>;
  return status === "ok" || status === "unknown" || status === "refused";
}
