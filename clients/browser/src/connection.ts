/** One connection to the bridge, from its beginning to its end. It never connects again. */

import { io, type Socket } from "socket.io-client";

import { isAcknowledgement, type Acknowledgement, type PluginResponse } from "./protocol.js";

/** The bridge acknowledges within 10 s, or closes the connection. */
const ACKNOWLEDGED_WITHIN_MS = 15_000;
const CONNECTED_WITHIN_MS = 20_000;

export type Transport = "websocket" | "polling";

/** The way in which a connection ended: the bridge refused it, or it was lost. */
export interface ConnectionEnd {
  refused: boolean;
  reason: string;
}

export interface ConnectionOptions {
  url: string;
  path: string;
  transports: Transport[];
  auth: Record<string, unknown>;
  onOpen: () => void;
  onCommand: (command: unknown) => void;
}

export class Connection {
  readonly ended: Promise<ConnectionEnd>;
  /** The largest packet that the bridge takes, in bytes; it is known after connecting. */
  maxBytes = Infinity;
  readonly #socket: Socket;
  #end: (end: ConnectionEnd) => void = () => {};

  constructor(options: ConnectionOptions) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    const socket = io(options.url, {
      path: options.path,
      transports: options.transports,
      tryAllTransports: true,
      auth: options.auth,
      timeout: CONNECTED_WITHIN_MS,
      // The relay connects again, because it has to fetch a fresh token before.
      reconnection: false,
      // Without this the library would take up the manager of a former connection to this address.
      forceNew: true,
    });
    this.#socket = socket;
    socket.io.engine.on("handshake", ({ maxPayload }: { maxPayload?: number }) => {
      if (maxPayload) this.maxBytes = maxPayload;
    });
    socket.on("connect", options.onOpen);
    socket.on("plugin_command", options.onCommand);
    socket.on("connect_error", (error: Error) => {
      // The library gives a socket up if the bridge refused it; else it goes on trying.
      const refused = !socket.active;
      this.#over(refused, refused ? error.message : unreachable(error));
    });
    socket.on("disconnect", (reason) => this.#over(false, `the connection was lost: ${reason}`));
  }

  /** Sends a response; gives undefined if nobody knows whether the bridge took it. */
  send(response: PluginResponse): Promise<Acknowledgement | undefined> {
    if (!this.#socket.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#socket
        .timeout(ACKNOWLEDGED_WITHIN_MS)
        .emit("plugin_response", response, (error: Error | null, answer: unknown) =>
          resolve(error === null && isAcknowledgement(answer) ? answer : undefined),
        );
    });
  }

  /** Gives the latest time that the bridge's clock may show now, in ms, or undefined. */
  bridgeTime(): Promise<number | undefined> {
    if (!this.#socket.connected) return Promise.resolve(undefined);
    const asked = Date.now();
    return new Promise((resolve) => {
      this.#socket
        .timeout(ACKNOWLEDGED_WITHIN_MS)
        .emit("bridge_clock", (error: Error | null, answer: { now?: unknown } | undefined) => {
          const now = error === null ? answer?.now : undefined;
          // The page may have been frozen, so the whole time may lie after the bridge's answer.
          const passed = Math.max(0, Date.now() - asked);
          resolve(typeof now === "number" ? now + passed : undefined);
        });
    });
  }

  close(reason: string): void {
    this.#over(false, reason);
  }

  #over(refused: boolean, reason: string): void {
    // The first reason counts: disconnecting brings another one, which says nothing.
    this.#end({ refused, reason });
    this.#socket.disconnect();
  }
}

/** A page cannot tell a bridge that is down from one that rejects the page's origin. */
function unreachable(error: Error): string {
  return (
    `the bridge cannot be reached (${error.message}): it is down, or this page's origin is not ` +
    "in its RUNTIME_BRIDGE_ORIGINS"
  );
}
