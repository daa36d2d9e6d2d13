import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../dist/backoff.js";
import { Pause } from "../dist/pause.js";
import { Tokens } from "../dist/tokens.js";

test("delays double up to a limit, and start anew", () => {
  const backoff = new Backoff(1_000, 5_000, () => 1);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => backoff.next()), [1_000, 2_000, 4_000, 5_000, 5_000]);
  backoff.reset();
  assert.equal(backoff.next(), 1_000);
});

test("jitter takes away half a delay at most", () => {
  assert.equal(new Backoff(1_000, 5_000, () => 0).next(), 500);
});

test("a pause without an end can be ended, and so can one by a signal", async () => {
  const pause = new Pause();
  const ended = pause.for(Infinity);
  pause.end();
  await ended;
  const leaving = new AbortController();
  const left = pause.for(Infinity, leaving.signal);
  leaving.abort();
  await left;
});

test("a refused token is not given again, and its source is told why", async () => {
  const asked = [];
  const answers = ["old", "old", "new"];
  const tokens = new Tokens(async (refused) => (asked.push(refused), answers.shift()));
  assert.equal(await tokens.next(), "old");
  tokens.refuse("old", "it has expired");
  assert.equal(await tokens.next(), undefined);
  assert.equal(await tokens.next(), "new");
  assert.deepEqual(asked, [undefined, "it has expired", "it has expired"]);
});

test("a fixed token that was refused waits for another", async () => {
  const tokens = new Tokens("old");
  tokens.refuse("old", "it has expired");
  assert.equal(tokens.canRenew, false);
  assert.equal(tokens.reason, "it has expired");
  tokens.replace("new");
  assert.equal(tokens.canRenew, true);
  assert.equal(await tokens.next(), "new");
});

test("a source that fails says so", async () => {
  const tokens = new Tokens(() => {
    throw new Error("offline");
  });
  await assert.rejects(tokens.next(), /a token could not be fetched: offline/);
});
