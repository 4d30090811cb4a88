// What is offered for a half-written tag, and how the prompt looks afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";

import { candidates, completed, openTag } from "../../extension/loradex/web/model/completion.js";

const row = (name, more = {}) => ({
  name, shortName: name, status: "ok", fault: "", verdict: "fits", favourite: false, searched: name.toLowerCase(), words: [], ...more });

test("only the name of a tag that is open before the caret is completed", () => {
  assert.deepEqual(openTag("a cat, <lora:In", 15), { start: 7, typed: "in" });
  assert.equal(openTag("<lora:ink:0.8", 13), null);
  assert.equal(openTag("<lora:ink>", 10), null);
  assert.equal(openTag("<lora:ink", 3), null);
});

test("what fits comes first, then what begins with the letters, and nothing broken", () => {
  const rows = [row("blink"), row("no ink", { verdict: "no_effect" }), row("ink b"), row("ink a"),
    row("ink c", { favourite: true }), row("ink d", { status: "broken", fault: "truncated" }), row("ink:e")];
  assert.deepEqual(candidates(rows, "ink", 8).map(({ name }) => name), ["ink c", "ink a", "ink b", "blink", "no ink"]);
});

test("a name is written with the words that the prompt lacks, and an old end goes", () => {
  const text = "a cat, <lora:in:0.5>, night";
  const done = completed(text, { start: 7, caret: 15 }, "<lora:ink:1>", ["ink style"]);
  assert.equal(done.text, "a cat, <lora:ink:1>, ink style, night");
  assert.equal(done.text.slice(0, done.caret), "a cat, <lora:ink:1>, ink style");
  assert.equal(completed("ink style <lora:in", { start: 10, caret: 18 }, "<lora:ink:1>", ["ink style"]).text,
    "ink style <lora:ink:1>");
});
