import assert from "node:assert/strict";
import { test } from "node:test";

import { chosen, EVERYTHING, Narrowing } from "../../extension/loradex/web/model/filter.js";

const LETTERS = "abc- :\"";
let seed = 7;
const below = (limit) => {
  seed = (seed * 1103515245 + 12345) % 2 ** 31;
  return seed % limit;
};
const word = (length) => Array.from({ length }, () => LETTERS[below(3)]).join("");

const rows = Array.from({ length: 200 }, (_, key) => {
  const name = word(4);
  const words = [word(3)];
  return {
    key, name, title: "", label: name, folder: word(1), root: 0, words, tags: [], types: [], family: "", verdict: "",
    fault: "", status: "ok", favourite: false, searched: [name, "", ...words].join("\n"),
  };
});

test("letter by letter the same is found as at once", () => {
  for (let round = 0; round < 300; round += 1) {
    const narrowing = new Narrowing();
    let text = "";
    for (let letter = 0; letter < 5; letter += 1) {
      text += LETTERS[below(LETTERS.length)];
      const folder = below(4) ? null : `0/${word(1)}`;
      const choice = { ...EVERYTHING, text, folder, noted: below(5) ? new Set() : new Set([below(200)]) };
      const keys = (found) => found.map((row) => row.key);
      assert.deepEqual(keys(chosen(rows, choice, {}, narrowing)), keys(chosen(rows, choice)), text);
    }
  }
});

test("names that begin with the search come before those that have it and those that do not", () => {
  const [a, b, c] = [{ ...rows[0], key: 1, name: "xx ink", searched: "xx ink\n" },
    { ...rows[0], key: 2, name: "gold", searched: "gold\nink" }, { ...rows[0], key: 3, name: "Ink", searched: "ink\n" }];
  const found = chosen([a, b, c], { ...EVERYTHING, text: "ink" });
  assert.deepEqual(found.map((row) => row.key), [3, 1, 2]);
});
