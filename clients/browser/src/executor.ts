/** Carries each command out once, whatever happens, and remembers its beginning and its answer. */

import { answerOf, answerOfThrown, notExecuted, textOf, unknownOutcome } from "./answers.js";
import type { Report } from "./events.js";
import type { Memory } from "./memory.js";
import type { Execute } from "./plugin.js";
import type { Command, PluginResponse } from "./protocol.js";

export interface ExecutorOptions {
  memory: Memory;
  execute: Execute;
  canExecute: () => boolean;
  isRead: (action: string, payload: unknown) => boolean;
  report: Report;
}

/** The connection from which a command came. */
export interface Origin {
  /** Whether this page still is the one that may execute commands. */
  held: () => boolean;
  /** Gives the latest time that the bridge's clock may show now, in ms, or undefined. */
  bridgeTime: () => Promise<number | undefined>;
  /** Takes each response that has to be sent now. */
  deliver: (response: PluginResponse) => void;
}

export class Executor {
  readonly #running = new Map<string, Promise<void>>();

  constructor(private readonly options: ExecutorOptions) {}

  /** Whether a command is being carried out in this page. */
  has(requestId: string): boolean {
    return this.#running.has(requestId);
  }

  /** Gives a promise that is fulfilled when no command is being carried out any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Take a command that arrived. */
  take(command: Command, origin: Origin): void {
    const { memory, report } = this.options;
    const { request_id, action } = command;
    const known = memory.get(request_id);
    if (this.#running.has(request_id)) {
      report({ type: "repeated", request_id, action, from_memory: false });
    } else if (known?.response !== undefined) {
      report({ type: "repeated", request_id, action, from_memory: true });
      origin.deliver(known.response);
    } else {
      report({ type: "command", request_id, action });
      const run = this.#run(command, origin).then(
        (response) => {
          this.#running.delete(request_id);
          if (response === undefined) return;
          const { success, error, error_code } = response;
          report({ type: "answered", request_id, action, success, error, error_code });
          origin.deliver(response);
        },
      );
      this.#running.set(request_id, run);
    }
  }

  async #run(command: Command, origin: Origin): Promise<PluginResponse | undefined> {
    const { memory, execute, canExecute, isRead } = this.options;
    if (command.repeated && !isRead(command.action, command.payload)) {
      const why = `${command.action} is not known here; it may have been executed elsewhere`;
      return this.#remember(unknownOutcome(command, why));
    }
    if (!canExecute()) {
      const why = "the browser plugin is not there (window.stoflow.executeAction)";
      return this.#remember(notExecuted(command, "plugin_missing", why));
    }
    try {
      // The mark is on the disk before the plugin is called, so that the command is not taken for a
      // new one after a reload.
      await memory.begin(command);
    } catch (error) {
      const why = `what is begun could not be written down (${textOf(error)})`;
      return this.#remember(notExecuted(command, "memory_failed", why));
    }
    // The time is asked for last, because to write the mark down may have taken long.
    const late = await whyTooLate(command, origin);
    if (!origin.held()) {
      // This tab has executed nothing, and another tab may get the command from now on.
      await memory.withdraw(command.request_id).catch(() => {});
      return undefined;
    }
    if (late !== undefined) return this.#remember(notExecuted(command, "too_late", late));
    let response: PluginResponse;
    try {
      response = answerOf(command, await execute(command.action, command.payload));
    } catch (error) {
      response = answerOfThrown(command, error);
    }
    return this.#remember(response);
  }

  /** Stores a response, at least in this page, unless a former response settled the command. */
  async #remember(response: PluginResponse): Promise<PluginResponse> {
    const { memory, report } = this.options;
    try {
      await memory.finish(response);
    } catch (error) {
      report({ type: "warning", message: `an answer could not be stored: ${textOf(error)}` });
    }
    return memory.get(response.request_id)?.response ?? response;
  }
}

/**
 * Says why a command must not begin any more, or gives undefined.
 *
 * A page may have been frozen, or its computer may have slept. Meanwhile the runtime may have
 * given the command up, looked for its effect, and sent it again: it could now happen twice.
 */
async function whyTooLate(command: Command, origin: Origin): Promise<string | undefined> {
  if (command.not_after === undefined) return undefined;
  const now = await origin.bridgeTime();
  if (now === undefined) return "the bridge did not say whether there still is time";
  return now < command.not_after ? undefined : "its time was over before it could be begun";
}
