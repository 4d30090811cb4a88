// The prompt's tags are read, changed and taken out without touching the rest.
import assert from "node:assert/strict";
import test from "node:test";
import {
  inserted, isReadable, plainValues, readTags, removed, toldStrength, withStrength,
} from "../../extension/loradex/web/model/prompt.js";
import { silenced, strengthsOf, withStrengths } from "../../extension/loradex/web/model/strengths.js";

test("a tag goes in with its words and out again", () => {
  const prompt = inserted("a cat", "<lora:ink:0.8>", ["inkstyle"]);
  assert.equal(prompt, "a cat <lora:ink:0.8>, inkstyle");
  assert.equal(removed(prompt, readTags(prompt)[0], ["inkstyle"]), "a cat");
});

test("another strength leaves the tag's other values alone", () => {
  const prompt = "x <lora:ink:0.8:0.5:lbw=ALL> y";
  assert.equal(withStrength(prompt, readTags(prompt)[0], 1), "x <lora:ink:1:0.5:lbw=ALL> y");
});

test("a slider keeps block weights, steps and the second pass's strength", () => {
  const prompt = "a <lora:ink:1:MIDD:hr=0.5:stop=10> b";
  const [tag] = readTags(prompt);
  assert.equal(withStrength(prompt, tag, 0.4), "a <lora:ink:0.4:MIDD:hr=0.5:stop=10> b");
  assert.equal(withStrengths(prompt, tag, 0.4, 0.2),
    "a <lora:ink:te=0.4:unet=0.2:hr=0.5:stop=10:lbw=MIDD> b");
  assert.ok(isReadable(tag));
  assert.deepEqual(strengthsOf(tag), { te: 1, unet: 1 });
});

test("a list of block weights with its filler and elements is kept by name", () => {
  const prompt = "<lora:ink:1:0.5:1,0,X:0.7:IN:ADD>";
  const [tag] = readTags(prompt);
  assert.deepEqual(strengthsOf(tag), { te: 1, unet: 0.5 });
  assert.equal(withStrengths("<lora:ink:1:1,0,X:0.7>", readTags("<lora:ink:1:1,0,X:0.7>")[0], 2, 2),
    "<lora:ink:2:lbw=1,0,X:x=0.7>");
});

test("a curve is shown as it is written, and no slider moves it", () => {
  const [tag] = readTags("<lora:ink:0@0,1@0.5>");
  assert.ok(!isReadable(tag));
  assert.equal(toldStrength(tag), "0@0,1@0.5");
  assert.equal(toldStrength(readTags("<lora:ink:0.50>")[0]), "0.5");
});

test("a LoRA that is switched off does nothing in either pass and keeps the rest", () => {
  const prompt = "a <lora:ink:0@0,1@0.5:unet=1:hr=0.8:lbw=MIDD> b";
  const off = silenced(prompt, readTags(prompt)[0]);
  assert.equal(off, "a <lora:ink:0:hr=0:lbw=MIDD> b");
  assert.deepEqual(strengthsOf(readTags(off)[0]), { te: 0, unet: 0 });
});

test("a decimal comma and an empty value are no block weights", () => {
  for (const text of ["<lora:ink:1:0,5>", "<lora:ink:1:>", "<lora:ink:1:nan>"]) {
    assert.deepEqual(plainValues(readTags(text)[0]).words, []);
  }
});
