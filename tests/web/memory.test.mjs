// What the engine holds is told in the unit of the setting, in both languages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { translator } from "../../extension/loradex/web/model/i18n.js";
import { memoryLines, memoryText, unneeded } from "../../extension/loradex/web/model/memory.js";

const words = (language) => JSON.parse(readFileSync(new URL(`../../extension/loradex/web/locales/${language}.json`, import.meta.url), "utf8"));
const speaking = (language) => translator(words(language), words("en"), language);
const t = speaking("en");
const MB = 2 ** 20;
const memory = (more) => ({
  networks: 12, network_bytes: 340 * MB, used: 0, used_bytes: 0, budget_bytes: 2048 * MB, live_bytes: 0, spare_bytes: 0, away_bytes: 0, device: "", ...more });

test("files are told with the budget, in the setting's own number", () => {
  assert.deepEqual(memoryLines(t, memory()), ["LoRAs in memory: 12 files, 340 MB of 2,048 MB"]);
  assert.deepEqual(memoryLines(t, memory({ networks: 1, network_bytes: 2.56 * MB, budget_bytes: 0 })), [
    "LoRAs in memory: 1 file, 2.6 MB of 0 MB"]);
});

test("what is in use and the buffers have a line each where there are some", () => {
  const full = memory({ used: 1, used_bytes: 40 * MB, live_bytes: 1536 * MB, spare_bytes: 3 * MB, away_bytes: 2 * MB, device: "cuda:0" });
  assert.deepEqual(memoryLines(t, full).slice(1), [
    "In use: 1 file, 40 MB", "Weights with LoRAs in them: 1,536 MB (cuda:0)",
    "The checkpoint's own weights, waiting in main memory: 2 MB", "Spare, for the next prompt: 3 MB (cuda:0)"]);
  assert.equal(unneeded(full), 303 * MB);
  assert.equal(unneeded(memory({ used_bytes: 340 * MB })), 0);
});

test("Chinese has every word of it", () => {
  const full = memory({ used: 1, used_bytes: MB, live_bytes: MB, spare_bytes: MB, away_bytes: MB, device: "cpu" });
  for (const line of [...memoryLines(speaking("zh-CN"), full), ...["title", "why", "free", "freed", "freed.none"].map((key) => speaking("zh-CN")(`memory.${key}`))]) {
    assert.match(line, /\p{Script=Han}/u, line);
  }
  assert.equal(memoryText(t, 0), "0 MB");
});
