/** Turns the value or the error of `execute` into a response for the bridge. Pure. */

import { OUTCOME_UNKNOWN, type Command, type PluginResponse } from "./protocol.js";

const LONGEST_EXCERPT = 200;

/** Makes the response for a returned value; without a boolean `success` the outcome is unknown. */
export function answerOf(command: Command, result: unknown): PluginResponse {
  let value: unknown;
  try {
    value = plain(result);
  } catch (error) {
    return unknownOutcome(
      command,
      `${command.action} was executed, but its result is not JSON: ${textOf(error)}`,
    );
  }
  if (!isObject(value) || typeof value["success"] !== "boolean") {
    const response = unknownOutcome(
      command,
      `${command.action} was executed, but returned ${excerpt(value)} instead of {success, data, error, errorCode, status}`,
    );
    return value === undefined ? response : { ...response, data: value };
  }
  const response: PluginResponse = { request_id: command.request_id, success: value["success"] };
  if (value["data"] !== undefined) response.data = value["data"];
  return { ...response, ...failureFields(value) };
}

/** Makes the response for an error: `execute` may have thrown before or after the deed. */
export function answerOfThrown(command: Command, thrown: unknown): PluginResponse {
  const fields = isObject(thrown) ? failureFields(thrown) : {};
  return {
    ...unknownOutcome(command, `${command.action} threw ${textOf(thrown)}`),
    ...(fields.status === undefined ? {} : { status: fields.status }),
    ...(fields.error_code === undefined ? {} : { error_code: fields.error_code }),
  };
}

/** Makes the response which says that the command may or may not have taken effect. */
export function unknownOutcome(command: { request_id: string }, why: string): PluginResponse {
  return {
    request_id: command.request_id,
    success: false,
    error: why,
    error_code: OUTCOME_UNKNOWN,
  };
}

/** Makes the response which says that the command was not executed, and why. */
export function notExecuted(command: Command, error_code: string, why: string): PluginResponse {
  return {
    request_id: command.request_id,
    success: false,
    error: `${command.action} was not executed: ${why}`,
    error_code,
  };
}

/** Describes a thrown value in words. */
export function textOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  return typeof thrown === "string" ? thrown : excerpt(thrown);
}

function failureFields(from: Record<string, unknown>) {
  const fields: { error?: string; error_code?: string; status?: number } = {};
  const error = from["error"];
  if (error !== undefined && error !== null) {
    fields.error = typeof error === "string" ? error : textOf(error);
  }
  const code = from["error_code"] ?? from["errorCode"];
  if (code !== undefined && code !== null) fields.error_code = String(code);
  const status = Number(from["status"] ?? NaN);
  if (Number.isInteger(status)) fields.status = status;
  return fields;
}

/** Gives the value as it will arrive, so that the memory holds exactly the sent response. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one === "bigint") return one.toString();
    return one instanceof Error ? textOf(one) : one;
  }) as string | undefined;
  return text === undefined ? undefined : JSON.parse(text);
}

function excerpt(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  return (text ?? String(value)).slice(0, LONGEST_EXCERPT);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
