// The prompt's tags are read, changed and taken out without touching the rest.
import assert from "node:assert/strict";
import test from "node:test";
import { inserted, readTags, removed, withStrength } from "../../extension/loradex/web/model/prompt.js";

test("a tag goes in with its words and out again", () => {
  const prompt = inserted("a cat", "<lora:ink:0.8>", ["inkstyle"]);
  assert.equal(prompt, "a cat <lora:ink:0.8>, inkstyle");
  assert.equal(removed(prompt, readTags(prompt)[0], ["inkstyle"]), "a cat");
});

test("another strength leaves the tag's other values alone", () => {
  const prompt = "x <lora:ink:0.8:0.5:lbw=ALL> y";
  assert.equal(withStrength(prompt, readTags(prompt)[0], 1), "x <lora:ink:1:0.5:lbw=ALL> y");
});
