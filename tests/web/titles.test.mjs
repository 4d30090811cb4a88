import assert from "node:assert/strict";
import { test } from "node:test";

import { labelRows } from "../../extension/loradex/web/model/titles.js";

const labels = (...pairs) => {
  const rows = pairs.map(([title, name]) => ({ title, name, label: "" }));
  labelRows(rows);
  return rows.map(({ label }) => label);
};

test("a LoRA is called by its title, and without one by its file", () => {
  assert.deepEqual(labels(["Ink wash", "ink_v2"], ["", "gold"]), ["Ink wash", "gold"]);
});

test("files that share a title are told apart by their names", () => {
  assert.deepEqual(labels(["Ink", "ink-08"], ["Ink", "ink-10"], ["Gold", "gold"]), ["ink-08", "ink-10", "Gold"]);
});
