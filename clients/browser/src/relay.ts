/** Relays the bridge's commands to the browser plugin, and its answers back. */

import { textOf, unknownOutcome } from "./answers.js";
import { Backoff } from "./backoff.js";
import { Connection, type ConnectionEnd, type Transport } from "./connection.js";
import type { RelayEvent, RelayState } from "./events.js";
import { Executor } from "./executor.js";
import { Memory } from "./memory.js";
import { Pause } from "./pause.js";
import { executeWithPlugin, pluginIsThere, type Execute } from "./plugin.js";
import { readCommand, type PluginResponse } from "./protocol.js";
import { IndexedDbStore, VolatileStore } from "./stores.js";
import { holdingTab, surroundings } from "./tab_lock.js";
import { Tokens, type TokenSource } from "./tokens.js";

const LOOK_FOR_PLUGIN_MS = 250;
const STABLE_MS = 10_000;
// A packet also holds the name of the event and the number of its acknowledgement.
const ENVELOPE_BYTES = 1_000;
const READS = new Set(["VINTED_SYNC", "VINTED_ORDERS", "VINTED_GET_WARDROBE"]);

export interface RelayOptions {
  /** The address of the bridge, for example `https://bridge.example`. */
  url: string;
  /** A token, or a function that fetches a fresh one before every connection. */
  token: TokenSource;
  /** The id of the seller, who has to be the one of the token. */
  userId: number | string;
  /** Carries a command out; the default is `window.stoflow.executeAction`, once it is there. */
  execute?: Execute;
  /** Tells whether an action changes nothing, so that a second execution does no harm. */
  isRead?: (action: string, payload: unknown) => boolean;
  /** Is called with every event of the relay. */
  onEvent?: (event: RelayEvent) => void;
  /** The path of the bridge's Socket.IO endpoint. */
  path?: string;
  /** The transports, which are tried in this order. */
  transports?: Transport[];
}

export interface Relay {
  readonly state: RelayState;
  /** The reason for the state, in words for a tooltip; it may be empty. */
  readonly detail: string;
  /** Calls a listener now and at every change; returns a function that ends this. */
  onState(listener: (state: RelayState, detail: string) => void): () => void;
  /** Goes on with another token, which the state `refused` asks for. */
  useToken(token: TokenSource): void;
  /**
   * Disconnects for good. The promise is fulfilled when the running command has ended; until then
   * no other tab takes over.
   */
  close(): Promise<void>;
}

/** Connects a seller's page to the bridge for as long as the page is open. */
export function connectRelay(options: RelayOptions): Relay {
  if (!options.url) throw new TypeError("connectRelay: `url` is missing");
  if (!options.userId) throw new TypeError("connectRelay: `userId` is missing");
  // Without a page there is never a browser plugin, and waiting for one would keep the process
  // alive for good.
  if (typeof window === "undefined" && !options.execute) {
    throw new Error(
      "connectRelay: there is no window here. Call it in the seller's browser only: where pages " +
        "are rendered on a server, in onMounted, useEffect or the like; elsewhere give `execute`",
    );
  }
  return new RunningRelay(options);
}

class RunningRelay implements Relay {
  readonly #memory: Memory;
  readonly #executor: Executor;
  readonly #tokens: Tokens;
  readonly #name: string;
  readonly #pause = new Pause();
  readonly #reconnecting = new Backoff(1_000, 15_000);
  readonly #renewing = new Backoff(2_000, 60_000);
  readonly #listeners = new Set<(state: RelayState, detail: string) => void>();
  readonly #sending = new Set<string>();
  readonly #lived: Promise<void>;
  #visit = new AbortController();
  #closed = false;
  #hidden = false;
  #connection: Connection | undefined;
  #state: RelayState = "waiting-for-tab";
  #detail = "";

  constructor(private readonly options: RelayOptions) {
    this.#name = `marketplace-relay ${options.url} ${options.userId}`;
    const { locks, storage } = surroundings();
    const lasting = locks && storage;
    this.#memory = new Memory(lasting ? new IndexedDbStore(this.#name) : new VolatileStore());
    this.#tokens = new Tokens(options.token);
    this.#executor = new Executor({
      memory: this.#memory,
      execute: options.execute ?? executeWithPlugin,
      canExecute: () => this.#canExecute(),
      isRead: options.isRead ?? ((action) => READS.has(action)),
      report: (event) => this.#report(event),
    });
    this.#lived = Promise.resolve().then(() => this.#live(lasting));
  }

  get state(): RelayState {
    return this.#state;
  }

  get detail(): string {
    return this.#detail;
  }

  onState(listener: (state: RelayState, detail: string) => void): () => void {
    this.#listeners.add(listener);
    guarded(() => listener(this.#state, this.#detail));
    return () => this.#listeners.delete(listener);
  }

  useToken(token: TokenSource): void {
    this.#tokens.replace(token);
    this.#pause.end();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#visit.abort();
    this.#pause.end();
    return this.#lived;
  }

  // --- one visit after the other: a page may be put away by its browser, and brought back ------

  async #live(lasting: boolean): Promise<void> {
    if (!lasting) {
      this.#warn(
        "this browser or page (is it served over HTTPS?) has no Web Locks or no IndexedDB: what " +
          "is being executed when the page is left will have an unknown outcome",
      );
    }
    const unhook = this.#watchPage();
    while (!this.#closed) {
      this.#visit = new AbortController();
      try {
        // The plugin comes before the lock, so that a tab without it does not block another tab.
        await this.#plugin(this.#visit.signal);
        this.#set("waiting-for-tab");
        await holdingTab(this.#name, this.#visit.signal, () => this.#hold(this.#visit.signal));
      } catch (error) {
        if (!this.#visit.signal.aborted) {
          this.#visit.abort();
          this.#set("disconnected", textOf(error));
          await this.#pause.for(this.#reconnecting.next());
        }
      }
      while (this.#hidden && !this.#closed) await this.#pause.for(Infinity);
    }
    unhook();
    this.#memory.close();
    this.#set("closed");
  }

  async #plugin(signal: AbortSignal): Promise<void> {
    while (!this.#canExecute() && !signal.aborted) {
      this.#set("waiting-for-plugin", "window.stoflow.executeAction is not there");
      await this.#pause.for(LOOK_FOR_PLUGIN_MS, signal);
    }
  }

  /** Ends the visit when the browser freezes the page, so that another tab may take over. */
  #watchPage(): () => void {
    if (typeof addEventListener !== "function") return () => {};
    const listeners: [string, (event: Event) => void][] = [
      ["pagehide", () => ((this.#hidden = true), this.#visit.abort())],
      ["pageshow", () => ((this.#hidden = false), this.#pause.end())],
      ["online", () => this.#pause.end()],
    ];
    for (const [name, listener] of listeners) addEventListener(name, listener);
    return () => listeners.forEach(([name, listener]) => removeEventListener(name, listener));
  }

  // --- while this is the tab that relays ---------------------------------------------------------

  async #hold(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#canExecute()) {
      let delay: number;
      try {
        delay = await this.#connect(signal);
      } catch (error) {
        delay = this.#lost(textOf(error));
      }
      if (!signal.aborted) await this.#pause.for(delay, signal);
    }
    if (this.#closed) await this.#executor.idle();
  }

  /** Runs one connection from its beginning to its end; gives the delay before the next. */
  async #connect(signal: AbortSignal): Promise<number> {
    if (this.#state !== "refused") this.#set("connecting");
    const clientId = await this.#memory.open(this.#executor);
    const token = await this.#tokens.next();
    if (signal.aborted) return 0;
    if (token === undefined) return this.#refused();
    this.#set("connecting");
    let opened = 0;
    const end = await this.#converse(token, clientId, signal, () => (opened = Date.now()));
    if (signal.aborted) return 0;
    if (opened > 0) this.#renewing.reset();
    // A connection that breaks at once must not make the relay try without a pause.
    if (opened > 0 && Date.now() - opened > STABLE_MS) this.#reconnecting.reset();
    if (!end.refused) return this.#lost(end.reason);
    this.#tokens.refuse(token, end.reason);
    return this.#refused();
  }

  async #converse(
    token: string,
    clientId: string,
    signal: AbortSignal,
    onOpen: () => void,
  ): Promise<ConnectionEnd> {
    const connection = new Connection({
      url: this.options.url,
      path: this.options.path ?? "/socket.io/",
      transports: this.options.transports ?? ["websocket", "polling"],
      auth: { token, user_id: this.options.userId, resume: true, client_id: clientId },
      onOpen: () => {
        onOpen();
        this.#set("connected");
        for (const response of this.#memory.unacknowledged()) void this.#deliver(response);
      },
      onCommand: (command) => this.#onCommand(command, connection, signal),
    });
    this.#connection = connection;
    this.#sending.clear();
    const close = () => connection.close("this tab relays no more");
    signal.addEventListener("abort", close);
    const end = await connection.ended;
    signal.removeEventListener("abort", close);
    this.#connection = undefined;
    return end;
  }

  #lost(reason: string): number {
    this.#set("disconnected", reason);
    return this.#reconnecting.next();
  }

  #refused(): number {
    this.#set("refused", this.#tokens.reason);
    // A fixed token stays refused; only `useToken` ends this wait.
    return this.#tokens.canRenew ? this.#renewing.next() : Infinity;
  }

  #onCommand(value: unknown, connection: Connection, signal: AbortSignal): void {
    const command = readCommand(value);
    if (command === undefined) {
      this.#warn("a command without request_id or action was ignored");
      return;
    }
    this.#executor.take(command, {
      held: () => !signal.aborted,
      bridgeTime: () => connection.bridgeTime(),
      deliver: (response) => void this.#deliver(response),
    });
  }

  /** Sends a response over the present connection; the next connection sends lost ones again. */
  async #deliver(response: PluginResponse): Promise<void> {
    const connection = this.#connection;
    const { request_id } = response;
    if (connection === undefined || this.#sending.has(request_id)) return;
    this.#sending.add(request_id);
    const acknowledgement = await connection.send(fitting(response, connection.maxBytes));
    // That connection is over, and the next one sends the response again.
    if (connection !== this.#connection) return;
    this.#sending.delete(request_id);
    if (acknowledgement === undefined) {
      connection.close(`the bridge did not acknowledge the answer to ${request_id}`);
      return;
    }
    this.#report({ type: "acknowledged", request_id, status: acknowledgement.status });
    await this.#memory
      .acknowledge(request_id)
      .catch((error) => this.#warn(`an acknowledgement could not be stored: ${textOf(error)}`));
    // Another tab may have the plugin; it takes over once this one releases the lock.
    if (!this.#canExecute()) connection.close("the browser plugin is gone");
  }

  #canExecute(): boolean {
    return this.options.execute !== undefined || pluginIsThere();
  }

  // --- telling -----------------------------------------------------------------------------------

  #set(state: RelayState, detail = ""): void {
    if (state === this.#state && detail === this.#detail) return;
    this.#state = state;
    this.#detail = detail;
    for (const listener of [...this.#listeners]) guarded(() => listener(state, detail));
    this.#report({ type: "state", state, detail });
  }

  #warn(message: string): void {
    this.#report({ type: "warning", message });
  }

  #report(event: RelayEvent): void {
    guarded(() => this.options.onEvent?.(event));
  }
}

/** Replaces a response that is too large: it would break every connection that sends it. */
function fitting(response: PluginResponse, maxBytes: number): PluginResponse {
  const bytes = new TextEncoder().encode(JSON.stringify(response)).length;
  if (bytes + ENVELOPE_BYTES <= maxBytes) return response;
  return unknownOutcome(
    response,
    `it was executed, but the answer has ${bytes} bytes and the bridge takes ${maxBytes}`,
  );
}

/** Calls a listener; an error of the listener must not stop the relay. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    console.error(error);
  }
}
