/** The stores of the memory: IndexedDB, or the page alone. */

import type { Entry, Store } from "./memory.js";

const COMMANDS = "commands";
const ABOUT = "about";
const CLIENT_ID = "client_id";

/**
 * IndexedDB and not localStorage, because it tells when a change is on the disk (`strict`
 * durability), holds answers of several hundred kilobytes, and does not block the page.
 */
export class IndexedDbStore implements Store {
  #database: IDBDatabase | undefined;

  constructor(private readonly name: string) {}

  async load(): Promise<{ clientId: string; entries: Entry[] }> {
    const transaction = await this.#transaction();
    const entries = transaction.objectStore(COMMANDS).getAll() as IDBRequest<Entry[]>;
    const about = transaction.objectStore(ABOUT);
    const known = about.get(CLIENT_ID) as IDBRequest<string | undefined>;
    const fresh = randomId();
    known.onsuccess = () => {
      if (known.result === undefined) about.put(fresh, CLIENT_ID);
    };
    await finished(transaction);
    return { clientId: known.result ?? fresh, entries: entries.result };
  }

  async put(entry: Entry): Promise<void> {
    const transaction = await this.#transaction();
    transaction.objectStore(COMMANDS).put(entry);
    await finished(transaction);
  }

  async remove(requestIds: string[]): Promise<void> {
    const transaction = await this.#transaction();
    for (const id of requestIds) transaction.objectStore(COMMANDS).delete(id);
    await finished(transaction);
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  async #transaction(): Promise<IDBTransaction> {
    this.#database ??= await this.#open();
    try {
      return this.#database.transaction([COMMANDS, ABOUT], "readwrite", { durability: "strict" });
    } catch (error) {
      // The browser closed the database, for instance because the user removed the site's data.
      this.close();
      throw error;
    }
  }

  #open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(COMMANDS, { keyPath: "request_id" });
        request.result.createObjectStore(ABOUT);
      };
      request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
      request.onsuccess = () => {
        const database = request.result;
        database.onversionchange = database.onclose = () => this.close();
        resolve(database);
      };
    });
  }
}

/**
 * A memory that lives as long as the page, as does its `client_id`. The bridge takes every load
 * of the page for another browser, and sends it no command that a former load got.
 */
export class VolatileStore implements Store {
  readonly #clientId = randomId();
  readonly #entries = new Map<string, Entry>();

  async load(): Promise<{ clientId: string; entries: Entry[] }> {
    return { clientId: this.#clientId, entries: [...this.#entries.values()] };
  }

  async put(entry: Entry): Promise<void> {
    this.#entries.set(entry.request_id, entry);
  }

  async remove(requestIds: string[]): Promise<void> {
    for (const id of requestIds) this.#entries.delete(id);
  }

  close(): void {}
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () =>
      reject(transaction.error ?? new Error("IndexedDB aborted a transaction"));
  });
}

/** `crypto.randomUUID` is missing where a page is not served over HTTPS. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
