export { connectRelay, type Relay, type RelayOptions } from "./relay.js";
export type { Transport } from "./connection.js";
export type { RelayEvent, RelayState } from "./events.js";
export type { Execute } from "./plugin.js";
export type { TokenSource } from "./tokens.js";
export type { Command, PluginResponse } from "./protocol.js";
