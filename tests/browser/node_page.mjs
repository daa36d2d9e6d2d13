// A page without a browser: the built client under Node, led line by line by a test.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// Node 18 has it, but not under its name.
globalThis.crypto ??= webcrypto;

const { module, asksForTokens, ...options } = JSON.parse(process.argv[2]);
const { connectRelay } = await import(pathToFileURL(module));

const say = (event) => console.log(JSON.stringify(event));
const asked = { execute: [], token: [] };

function ask(kind, question) {
  say({ type: kind, ...question });
  return new Promise((resolve, reject) => asked[kind].push({ resolve, reject }));
}

const relay = connectRelay({
  ...options,
  token: asksForTokens ? (refused) => ask("token", { refused: refused ?? null }) : options.token,
  execute: (action, payload) => ask("execute", { action, payload }),
  onEvent: say,
});

const orders = {
  execute: (value) => asked.execute.shift().resolve(value),
  throw: (words) => asked.execute.shift().reject(new Error(words)),
  token: (value) => asked.token.shift().resolve(value),
  useToken: (value) => relay.useToken(value),
  close: async () => (await relay.close(), say({ type: "left" }), process.exit(0)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [order, value] = JSON.parse(line);
  orders[order](value);
}
process.exit(0);
