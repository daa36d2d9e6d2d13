import assert from "node:assert/strict";
import { test } from "node:test";

import { connectRelay } from "../dist/index.js";

const PAGE = { url: "http://127.0.0.1:9", userId: 7, token: null };

test("without a window and without `execute` it says where it is to be called", () => {
  assert.throws(() => connectRelay(PAGE), /no window.*onMounted.*`execute`/);
});

test("without a window it goes on with an `execute` of its own", async () => {
  const relay = connectRelay({ ...PAGE, execute: () => ({ success: true }) });
  await relay.close();
});
