import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { beforeEach, test } from "node:test";

import { Executor } from "../dist/executor.js";
import { Memory } from "../dist/memory.js";
import { VolatileStore } from "../dist/stores.js";

// Node 18 has it, but not under its name.
globalThis.crypto ??= webcrypto;

const PUBLISH = { request_id: "r1", action: "VINTED_PUBLISH", payload: { sku: "a" } };

let store, memory, executed, delivered, events, pluginIsThere, held, bridgeTime;

beforeEach(() => {
  store = new VolatileStore();
  memory = new Memory(store);
  executed = [];
  delivered = [];
  events = [];
  pluginIsThere = held = true;
  bridgeTime = 1_000;
});

function executor() {
  return new Executor({
    memory,
    execute: (action) => {
      executed.push(action);
      return { success: true };
    },
    canExecute: () => pluginIsThere,
    isRead: (action) => action === "VINTED_SYNC",
    report: (event) => events.push(event.type),
  });
}

async function take(one, ...commands) {
  const origin = {
    held: () => held,
    bridgeTime: async () => bridgeTime,
    deliver: (each) => delivered.push(each),
  };
  for (const command of commands) one.take(command, origin);
  await one.idle();
}

test("nothing is executed before it is stored that it is begun", async () => {
  let stored;
  store.put = () => new Promise((resolve) => (stored = resolve));
  const one = executor();
  const taken = take(one, PUBLISH);
  await new Promise(setImmediate);
  assert.deepEqual(executed, []);
  store.put = async () => {};
  stored();
  await taken;
  assert.deepEqual(executed, ["VINTED_PUBLISH"]);
});

test("a command that comes again at once is executed once", async () => {
  await take(executor(), PUBLISH, PUBLISH);
  assert.deepEqual(executed, ["VINTED_PUBLISH"]);
  assert.deepEqual(events, ["command", "repeated", "answered"]);
});

test("a command that comes again later is answered from memory", async () => {
  const one = executor();
  await take(one, PUBLISH);
  await take(one, PUBLISH);
  assert.deepEqual(executed, ["VINTED_PUBLISH"]);
  assert.deepEqual(delivered[0], delivered[1]);
});

test("what cannot be stored as begun is not executed", async () => {
  store.put = async () => {
    throw new Error("the disk is full");
  };
  await take(executor(), PUBLISH);
  assert.deepEqual(executed, []);
  assert.equal(delivered[0].error_code, "memory_failed");
  assert.match(delivered[0].error, /VINTED_PUBLISH was not executed: .*the disk is full/);
});

test("without the plugin nothing is executed", async () => {
  pluginIsThere = false;
  await take(executor(), PUBLISH);
  assert.deepEqual(executed, []);
  assert.equal(delivered[0].error_code, "plugin_missing");
});

test("a tab that relays no more leaves the command to the next", async () => {
  held = false;
  await take(executor(), PUBLISH);
  assert.deepEqual(executed, []);
  assert.deepEqual(delivered, []);
  assert.deepEqual((await store.load()).entries, []);
});

test("an unknown command that is repeated is executed only where it reads", async () => {
  const read = { request_id: "r2", action: "VINTED_SYNC", payload: {}, repeated: true };
  await take(executor(), { ...PUBLISH, repeated: true }, read);
  assert.deepEqual(executed, ["VINTED_SYNC"]);
  assert.equal(delivered.find((each) => each.request_id === "r1").error_code, "outcome_unknown");
});

test("a command is not begun from its time on, by the bridge's clock", async () => {
  await take(executor(), { ...PUBLISH, not_after: 1_001 });
  assert.deepEqual(executed, ["VINTED_PUBLISH"]);
  await take(executor(), { ...PUBLISH, request_id: "r2", not_after: 1_000 });
  assert.deepEqual(executed, ["VINTED_PUBLISH"]);
  assert.equal(delivered[1].error_code, "too_late");
  assert.match(delivered[1].error, /VINTED_PUBLISH was not executed: its time was over/);
});

test("a command that has a time is not begun where the bridge does not say what time it is", async () => {
  bridgeTime = undefined;
  await take(executor(), { ...PUBLISH, not_after: 1_001 });
  assert.deepEqual(executed, []);
  assert.equal(delivered[0].error_code, "too_late");
});
