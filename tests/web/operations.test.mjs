// Changes are told with a way back, undone, and done again.
import assert from "node:assert/strict";
import test from "node:test";
import { Problem } from "../../extension/loradex/web/model/api.js";
import { carryOut, tryOut, Undoing } from "../../extension/loradex/web/model/operations.js";

/** A server that keeps what it was asked. */
function serverOf(...answers) {
  const asked = [];
  return { asked, send: async (method, path, body) => {
    asked.push([method, path, body]);
    return answers.shift();
  } };
}

const operation = (more) => ({ id: "a", kind: "move", done: true, problems: [], can_undo: true, count: 2, title: "Moved 2 files", ...more });

test("what is done is told with its undo", async () => {
  const told = [];
  const api = serverOf(operation());
  await carryOut({ api, tell: (...all) => told.push(all) }, { action: "move", keys: [1, 2], root: 0, folder: "art" }, "Moved");
  assert.deepEqual(api.asked, [["POST", "operations", { action: "move", keys: [1, 2], root: 0, folder: "art" }]]);
  assert.deepEqual(told, [["Moved", { undo: "a" }]]);
});

test("what was put back on the way is a problem, never a success", async () => {
  const failed = [];
  const context = { api: serverOf(operation({ done: false, problems: ["ink: the drive is full.", "Free some space."] })),
    tell: assert.fail, fail: (problem) => failed.push(problem) };
  assert.equal(await tryOut(context, { action: "trash", keys: [1] }, "Trashed"), null);
  assert.ok(failed[0] instanceof Problem);
  assert.equal(failed[0].message, "ink: the drive is full. Free some space.");
});

test("an undo says what was taken back, and redo takes the undo back", async () => {
  const api = serverOf(operation({ id: "u", kind: "undo" }), operation({ id: "r", kind: "redo" }));
  const undoing = new Undoing(api);
  undoing.remember("a", "Moved 2 LoRAs to art");
  const undone = await undoing.undo("a");
  assert.deepEqual([undone.what, undone.again], ["Moved 2 LoRAs to art", false]);
  const again = await undoing.redo();
  assert.deepEqual([again.what, again.again], ["Moved 2 LoRAs to art", true]);
  assert.deepEqual(api.asked.map((one) => one[2]), [{ operation: "a" }, { operation: "u" }]);
});

test("the last change is undone where none is named, and another change forgets the redo", async () => {
  const history = [operation({ id: "u0", kind: "undo" }), operation({ id: "m", can_undo: false }), operation({ id: "e", title: "Rated ink" })];
  const api = { ...serverOf(operation({ id: "u", kind: "undo" })), get: async () => ({ operations: history }) };
  const undoing = new Undoing(api);
  assert.equal((await undoing.undo()).what, "Rated ink");
  assert.deepEqual(api.asked[0][2], { operation: "e" });
  undoing.remember("b", "Renamed");
  assert.equal(await undoing.redo(), null);
});
