/** What passes between a page and the bridge; told in full in docs/protocol.md. */

export interface Command {
  request_id: string;
  action: string;
  payload: unknown;
  /** It may have been sent before, to this browser or to another of the seller's. */
  repeated?: boolean;
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
  const { request_id, action, payload, repeated } = value as Record<string, unknown>;
  if (typeof request_id !== "string" || request_id === "" || typeof action !== "string") {
    return undefined;
  }
  return { request_id, action, payload, repeated: repeated === true };
}

/** Whether the bridge took a response, or will never want it: then it may be forgotten. */
export function isAcknowledgement(value: unknown): value is Acknowledgement {
  if (typeof value !== "object" || value === null) return false;
  const { status } = value as Record<string, unknown>;
  return status === "ok" || status === "unknown" || status === "refused";
}
