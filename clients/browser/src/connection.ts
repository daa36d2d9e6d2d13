/** One connection to the bridge, from its beginning to its end. It never connects again. */

import { io, type Socket } from "socket.io-client";

import { isAcknowledgement, type Acknowledgement, type PluginResponse } from "./protocol.js";

/** The bridge acknowledges within 10 s, or closes the connection. */
const ACKNOWLEDGED_WITHIN_MS = 15_000;
const CONNECTED_WITHIN_MS = 20_000;

export type Transport = "websocket" | "polling";

/** How it ended: the bridge refused to let it in, or it was lost. */
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
  /** The largest packet that the bridge takes, in bytes; known once it is connected. */
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
      reconnection: false,
      forceNew: true,
    });
    this.#socket = socket;
    socket.io.engine.on("handshake", ({ maxPayload }: { maxPayload?: number }) => {
      if (maxPayload) this.maxBytes = maxPayload;
    });
    socket.on("connect", options.onOpen);
    socket.on("plugin_command", options.onCommand);
    socket.on("connect_error", (error: Error) => {
      // Refused by the bridge itself, the socket is given up; without that it is still trying.
      const refused = !socket.active;
      this.#over(refused, refused ? error.message : unreachable(error));
    });
    socket.on("disconnect", (reason) => this.#over(false, `the connection was lost: ${reason}`));
  }

  /** Send a response. Undefined: it is not known whether the bridge took it. */
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

  /** The latest that the bridge's clock may show now, in ms. Undefined: it did not say. */
  bridgeTime(): Promise<number | undefined> {
    if (!this.#socket.connected) return Promise.resolve(undefined);
    const asked = Date.now();
    return new Promise((resolve) => {
      this.#socket
        .timeout(ACKNOWLEDGED_WITHIN_MS)
        .emit("bridge_clock", (error: Error | null, answer: { now?: unknown } | undefined) => {
          const now = error === null ? answer?.now : undefined;
          // The page may have been frozen meanwhile: all of the time may have passed since.
          const passed = Math.max(0, Date.now() - asked);
          resolve(typeof now === "number" ? now + passed : undefined);
        });
    });
  }

  close(reason: string): void {
    this.#over(false, reason);
  }

  #over(refused: boolean, reason: string): void {
    this.#end({ refused, reason });
    this.#socket.disconnect();
  }
}

/** Browsers do not tell a page why: a bridge that is down looks like one that wants other pages. */
function unreachable(error: Error): string {
  return (
    `the bridge cannot be reached (${error.message}): it is down, or this page's origin is not ` +
    "in its RUNTIME_BRIDGE_ORIGINS"
  );
}
