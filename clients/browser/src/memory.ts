/**
 * Remembers the commands of this browser and their answers, so that none is executed twice.
 *
 * This object holds the whole memory, and writes it through to a store that outlives the page.
 * Only the tab that holds the lock uses the memory, so that nobody else writes meanwhile.
 */

import { unknownOutcome } from "./answers.js";
import type { Command, PluginResponse } from "./protocol.js";

/** A command can be repeated while the runtime waits for its answer: minutes, not days. */
export const KEPT_MS = 24 * 3_600_000;
/** Acknowledged answers stay for a bridge that is restarted before it has passed them on. */
export const KEPT_ACKNOWLEDGED_MS = 3_600_000;
export const MOST_ENTRIES = 1_000;
export const MOST_CHARACTERS = 20_000_000;

export interface Entry {
  request_id: string;
  action: string;
  begun_at: number;
  /** It is absent while the command has begun and has not ended. */
  response?: PluginResponse;
  acknowledged_at?: number;
  /** The length of the response as JSON, in characters. */
  size: number;
}

/** The store outlives the page. Each promise is fulfilled when its change is durable. */
export interface Store {
  load(): Promise<{ clientId: string; entries: Entry[] }>;
  put(entry: Entry): Promise<void>;
  remove(requestIds: string[]): Promise<void>;
  close(): void;
}

export class Memory {
  #entries = new Map<string, Entry>();

  constructor(
    private readonly store: Store,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Reads the store. Commands that have begun, and do not run in this page any more, get an
   * unknown outcome.
   *
   * @returns the `client_id` that names this memory.
   */
  async open(running: { has(requestId: string): boolean }): Promise<string> {
    const { clientId, entries } = await this.store.load();
    const stored = new Map(entries.map((entry) => [entry.request_id, entry]));
    // A write to the store may have failed, so that what this page knows better stays.
    for (const [id, held] of this.#entries) {
      const other = stored.get(id);
      const forgotten = other === undefined && held.acknowledged_at === undefined;
      const older = other !== undefined && other.response === undefined && held.response;
      if (forgotten || older) stored.set(id, held);
    }
    this.#entries = stored;
    for (const entry of [...stored.values()]) {
      if (entry.response === undefined && !running.has(entry.request_id)) {
        await this.finish(
          unknownOutcome(entry, `${entry.action} was begun, but the page was left before it ended`),
        );
      }
    }
    await this.#prune();
    return clientId;
  }

  get(requestId: string): Entry | undefined {
    return this.#entries.get(requestId);
  }

  /** Gives the responses that the bridge has not acknowledged, the oldest first. */
  unacknowledged(): PluginResponse[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.response !== undefined && entry.acknowledged_at === undefined)
      .sort((one, other) => one.begun_at - other.begun_at)
      .flatMap((entry) => entry.response ?? []);
  }

  /** Marks a command as begun; when the promise is fulfilled, the mark survives a reload. */
  async begin(command: Command): Promise<void> {
    const { request_id, action } = command;
    await this.#put({ request_id, action, begun_at: this.now(), size: 0 });
  }

  /** Removes the mark of a command that was not executed after all. */
  async withdraw(requestId: string): Promise<void> {
    this.#entries.delete(requestId);
    await this.store.remove([requestId]);
  }

  /** Stores the first response of a command; a later one is ignored, as the first may be sent. */
  async finish(response: PluginResponse): Promise<void> {
    const entry = this.#entries.get(response.request_id);
    if (entry?.response !== undefined) return;
    const { request_id } = response;
    await this.#put({
      request_id,
      action: entry?.action ?? "",
      begun_at: entry?.begun_at ?? this.now(),
      response,
      size: JSON.stringify(response).length,
    });
  }

  /** Notes that the bridge has acknowledged the response. */
  async acknowledge(requestId: string): Promise<void> {
    const entry = this.#entries.get(requestId);
    if (entry === undefined || entry.acknowledged_at !== undefined) return;
    await this.#put({ ...entry, acknowledged_at: this.now() });
    await this.#prune();
  }

  close(): void {
    this.store.close();
  }

  async #put(entry: Entry): Promise<void> {
    this.#entries.set(entry.request_id, entry);
    await this.store.put(entry);
  }

  async #prune(): Promise<void> {
    const dropped = overdue([...this.#entries.values()], this.now());
    if (dropped.length === 0) return;
    for (const id of dropped) this.#entries.delete(id);
    await this.store.remove(dropped);
  }
}

/**
 * Chooses the entries to remove: those that are too old, and the oldest acknowledged ones while
 * the memory is too large. The bridge may still ask for an answer that it has not acknowledged.
 */
export function overdue(entries: Entry[], now: number): string[] {
  const left = entries.filter((entry) => {
    const acknowledged = entry.acknowledged_at;
    return acknowledged === undefined
      ? now - entry.begun_at <= KEPT_MS
      : now - acknowledged <= KEPT_ACKNOWLEDGED_MS;
  });
  const kept = new Set(left);
  let characters = left.reduce((sum, entry) => sum + entry.size, 0);
  left.sort((one, other) => one.begun_at - other.begun_at);
  for (const entry of left) {
    if (kept.size <= MOST_ENTRIES && characters <= MOST_CHARACTERS) break;
    if (entry.acknowledged_at === undefined) continue;
    kept.delete(entry);
    characters -= entry.size;
  }
  return entries.filter((entry) => !kept.has(entry)).map((entry) => entry.request_id);
}
