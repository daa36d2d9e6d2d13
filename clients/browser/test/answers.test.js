import assert from "node:assert/strict";
import { test } from "node:test";

import { answerOf, answerOfThrown } from "../dist/answers.js";

const COMMAND = { request_id: "r1", action: "VINTED_PUBLISH", payload: {} };

test("every field of a result is carried through", () => {
  const result = { success: false, data: { x: 1 }, error: "no", errorCode: "captcha", status: 403 };
  assert.deepEqual(answerOf(COMMAND, result), {
    request_id: "r1",
    success: false,
    data: { x: 1 },
    error: "no",
    error_code: "captcha",
    status: 403,
  });
});

test("error_code counts as well as errorCode", () => {
  const response = answerOf(COMMAND, { success: false, error_code: "gone", errorCode: "other" });
  assert.equal(response.error_code, "gone");
});

test("a success says no more than it has to", () => {
  const response = answerOf(COMMAND, { success: true, data: null, error: null, status: undefined });
  assert.deepEqual(response, { request_id: "r1", success: true, data: null });
});

test("an error that is not text, and a status that is, are put right", () => {
  const response = answerOf(COMMAND, { success: false, error: new Error("away"), status: "429" });
  assert.equal(response.error, "away");
  assert.equal(response.status, 429);
});

for (const nonsense of [undefined, null, "done", 7, [], {}, { success: "yes" }]) {
  test(`${JSON.stringify(nonsense)} leaves the outcome unknown, and is passed on`, () => {
    const response = answerOf(COMMAND, nonsense);
    assert.equal(response.success, false);
    assert.equal(response.error_code, "outcome_unknown");
    assert.match(response.error, /VINTED_PUBLISH was executed, but returned .* instead of/);
    assert.deepEqual(response.data, nonsense);
  });
}

test("what is not JSON leaves the outcome unknown", () => {
  const circle = { success: true, data: {} };
  circle.data.self = circle;
  const response = answerOf(COMMAND, circle);
  assert.equal(response.error_code, "outcome_unknown");
  assert.match(response.error, /not JSON/);
});

test("large integers arrive as text", () => {
  assert.deepEqual(answerOf(COMMAND, { success: true, data: { id: 2n ** 70n } }).data, {
    id: "1180591620717411303424",
  });
});

test("what throws leaves the outcome unknown, unless the plugin said what it is", () => {
  const thrown = answerOfThrown(COMMAND, new Error("the port was closed"));
  assert.equal(thrown.error_code, "outcome_unknown");
  assert.match(thrown.error, /VINTED_PUBLISH threw the port was closed/);
  const named = Object.assign(new Error("log in"), { errorCode: "session_ended", status: 401 });
  assert.equal(answerOfThrown(COMMAND, named).error_code, "session_ended");
  assert.equal(answerOfThrown(COMMAND, named).status, 401);
  assert.equal(answerOfThrown(COMMAND, undefined).error_code, "outcome_unknown");
});
