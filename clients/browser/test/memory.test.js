import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import * as memory from "../dist/memory.js";
import { VolatileStore } from "../dist/stores.js";

// Node 18 has it, but not under its name.
globalThis.crypto ??= webcrypto;

const NOBODY = { has: () => false };
const HOUR = 3_600_000;

function command(request_id) {
  return { request_id, action: "VINTED_PUBLISH", payload: {} };
}

function answer(request_id, data) {
  return { request_id, success: true, data };
}

async function opened(store = new VolatileStore(), clock = { now: 0 }) {
  const made = new memory.Memory(store, () => clock.now);
  await made.open(NOBODY);
  return made;
}

test("the next page knows what this one answered, under the same client_id", async () => {
  const store = new VolatileStore();
  const first = await opened(store);
  await first.begin(command("r1"));
  await first.finish(answer("r1", 5));
  const next = new memory.Memory(store, () => 0);
  assert.equal(await next.open(NOBODY), await first.open(NOBODY));
  assert.deepEqual(next.get("r1").response, answer("r1", 5));
  assert.deepEqual(next.unacknowledged(), [answer("r1", 5)]);
});

test("what the last page began and did not end has an unknown outcome", async () => {
  const store = new VolatileStore();
  await (await opened(store)).begin(command("r1"));
  const next = await opened(store);
  assert.equal(next.get("r1").response.error_code, "outcome_unknown");
  assert.equal(next.unacknowledged().length, 1);
});

test("what still runs in this page goes on, however often it connects", async () => {
  const one = await opened();
  await one.begin(command("r1"));
  await one.open({ has: (id) => id === "r1" });
  assert.equal(one.get("r1").response, undefined);
});

test("the first answer counts: it may have been sent", async () => {
  const one = await opened();
  await one.begin(command("r1"));
  await one.finish(answer("r1", "first"));
  await one.finish(answer("r1", "second"));
  assert.equal(one.get("r1").response.data, "first");
});

test("a begun mark is in the store before anything is executed", async () => {
  const store = new VolatileStore();
  await (await opened(store)).begin(command("r1"));
  assert.deepEqual((await store.load()).entries.map((entry) => entry.request_id), ["r1"]);
});

test("an answer that could not be stored is still there after the next connection", async () => {
  const store = new VolatileStore();
  const one = await opened(store);
  await one.begin(command("r1"));
  store.put = async () => {
    throw new Error("the disk is full");
  };
  await assert.rejects(one.finish(answer("r1", 5)), /disk is full/);
  await one.open(NOBODY);
  assert.deepEqual(one.unacknowledged(), [answer("r1", 5)]);
});

test("acknowledged answers are kept for an hour, others for a day", async () => {
  const clock = { now: 0 };
  const one = await opened(new VolatileStore(), clock);
  for (const id of ["taken", "open"]) {
    await one.begin(command(id));
    await one.finish(answer(id));
  }
  await one.acknowledge("taken");
  clock.now = HOUR;
  await one.open(NOBODY);
  assert.ok(one.get("taken"));
  clock.now += 1;
  await one.open(NOBODY);
  assert.equal(one.get("taken"), undefined);
  assert.ok(one.get("open"));
  clock.now = 24 * HOUR + 1;
  await one.open(NOBODY);
  assert.equal(one.get("open"), undefined);
});

test("where there is too much, the oldest acknowledged ones go, and no other", () => {
  const size = memory.MOST_CHARACTERS / 4;
  const entries = [1, 2, 3, 4, 5, 6].map((number) => ({
    request_id: `r${number}`,
    begun_at: number,
    size,
    response: {},
    ...(number % 2 === 0 ? { acknowledged_at: 10 } : {}),
  }));
  assert.deepEqual(memory.overdue(entries, 10), ["r2", "r4"]);
  const open = entries.map(({ acknowledged_at: _, ...entry }) => entry);
  assert.deepEqual(memory.overdue(open, 10), []);
});

test("the number of entries is bounded", () => {
  const entries = Array.from({ length: memory.MOST_ENTRIES + 5 }, (_, number) => ({
    request_id: `r${number}`,
    begun_at: number,
    acknowledged_at: number,
    size: 1,
  }));
  assert.deepEqual(memory.overdue(entries, 1_000), ["r0", "r1", "r2", "r3", "r4"]);
});
