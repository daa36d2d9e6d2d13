/** Where the memory is kept: in IndexedDB, or nowhere. */

import type { Entry, Store } from "./memory.js";

const COMMANDS = "commands";
const ABOUT = "about";
const CLIENT_ID = "client_id";

/**
 * IndexedDB rather than localStorage: it can say when something is on the disk (`strict`
 * durability), answers of several hundred kilobytes fit, and the page is not blocked.
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
      // The browser closed it, for instance because the user had the site's data removed.
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
 * A memory that lives as long as the page, and so does its `client_id`. The bridge takes every
 * page load for another browser then, and sends it nothing that the last one had.
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
