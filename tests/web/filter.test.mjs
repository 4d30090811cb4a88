import assert from "node:assert/strict";
import { test } from "node:test";

import { counted, EVERYTHING, passing, searched } from "../../extension/loradex/web/model/filter.js";
import { Haystack } from "../../extension/loradex/web/model/haystack.js";
import { readQuery } from "../../extension/loradex/web/model/query.js";

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

const keys = (found) => found.map((row) => row.key).sort((a, b) => a - b);
const order = new Haystack(rows);

test("the same is found as by asking row by row", () => {
  for (let round = 0; round < 2000; round += 1) {
    const text = Array.from({ length: 1 + below(5) }, () => LETTERS[below(LETTERS.length)]).join("");
    const folder = below(4) ? null : `0/${word(1)}`;
    const choice = { ...EVERYTHING, text, folder, noted: below(5) ? new Set() : new Set([below(200), below(200)]) };
    const { words, matches } = readQuery(text);
    const has = (row) => choice.noted.has(row.key) && words.length || words.every((one) => row.searched.includes(one));
    const wanted = rows.filter((row) => has(row) && matches(row) && (folder === null || folder === `0/${row.folder}`));
    assert.deepEqual(keys(searched(order, choice)), keys(wanted), JSON.stringify(text));
  }
});

test("names that begin with the search come first, and what does not fit last", () => {
  const made = ({ key, name, words = "", verdict = "" }) => (
    { ...rows[0], key, name, verdict, searched: `${name.toLowerCase()}\n${words}` });
  const found = searched(new Haystack([
    made({ key: 1, name: "xx ink" }), made({ key: 2, name: "gold", words: "ink" }), made({ key: 3, name: "Ink" }),
    made({ key: 4, name: "ink too", verdict: "no_effect" }), made({ key: 5, name: "silver" }),
  ]), { ...EVERYTHING, text: "ink", noted: new Set([5]) });
  assert.deepEqual(found.map((row) => row.key), [3, 1, 2, 5, 4]);
});

test("a chip's count is what choosing it would show", () => {
  const some = rows.map((row) => ({ ...row, verdict: ["fits", "unknown"][row.key % 2], family: row.folder }));
  const choice = { ...EVERYTHING, verdicts: new Set(["fits"]) };
  const counts = counted(some, choice);
  for (const [family, count] of counts.families) {
    assert.equal(passing(some, { ...choice, families: new Set([family]) }).length, count);
  }
  for (const [verdict, count] of counts.verdicts) {
    assert.equal(passing(some, { ...EVERYTHING, verdicts: new Set([verdict]) }).length, count);
  }
});
