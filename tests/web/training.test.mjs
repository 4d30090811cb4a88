// What trainers write is read as far as it can be, and never throws.
import assert from "node:assert/strict";
import test from "node:test";
import { trainedTags, trainingFacts, weightOf } from "../../extension/loradex/web/model/training.js";

const facts = (metadata) => Object.fromEntries(trainingFacts(metadata).map(({ name, value }) => [name, value]));

test("the facts of kohya's trainer", () => {
  assert.deepEqual(facts({
    ss_sd_model_name: "C:\\models\\v1-5.safetensors", ss_resolution: "(512, 768)", ss_steps: "1200", ss_epoch: "8",
    ss_network_dim: "32", ss_network_alpha: "16.0", ss_optimizer: "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)",
    ss_training_finished_at: "1700000000.5", ss_learning_rate: "0.0001",
  }), {
    "training.base": "v1-5.safetensors", "training.resolution": "512 × 768", "training.steps": "1200",
    "training.epochs": "8", "training.dim": "32", "training.alpha": "16.0", "training.optimizer": "AdamW8bit",
    "training.rate": "0.0001", "training.date": "2023-11-14",
  });
});

test("one entry stands in for another that is empty or None", () => {
  assert.equal(facts({ ss_resolution: "None", "modelspec.resolution": "1024" })["training.resolution"], "1024 × 1024");
  assert.equal(facts({ ss_unet_lr: "None", ss_learning_rate: 1e-4 })["training.rate"], "0.0001");
});

test("the words of all folders are counted together, most frequent first", () => {
  const tags = trainedTags({ ss_tag_frequency: JSON.stringify({ "10_ink": { ink: 5, " cat": 2 }, "5_more": { cat: 9, ink: 1 } }) });
  assert.deepEqual(tags, [{ word: "cat", count: 11 }, { word: "ink", count: 6 }]);
});

test("only the forty most frequent words are kept", () => {
  const many = Object.fromEntries(Array.from({ length: 90 }, (_, place) => [`word${place}`, place + 1]));
  const tags = trainedTags({ ss_tag_frequency: { all: many } });
  assert.equal(tags.length, 40);
  assert.equal(tags[0].word, "word89");
  assert.equal(weightOf(90, tags), 1);
  assert.equal(weightOf(51, tags), 0);
  assert.equal(weightOf(3, [{ word: "one", count: 3 }]), 1);
});

const MALFORMED = [undefined, null, 3, "text", [], [1], { ss_tag_frequency: "{" }, { ss_tag_frequency: "[1, 2]" },
  { ss_tag_frequency: { folder: null } }, { ss_tag_frequency: { folder: { a: "many", b: -1, c: NaN, "": 4 } } },
  { ss_tag_frequency: '"text"' }];

test("malformed values give no words", () => {
  for (const metadata of MALFORMED) {
    assert.deepEqual(trainedTags(metadata), [], JSON.stringify(metadata));
  }
});

test("malformed values give no facts, and an odd text stays as it is", () => {
  for (const metadata of [...MALFORMED, { ss_steps: {} }, { ss_training_finished_at: "soon" }, { "modelspec.date": "999999999999999" },
    { ss_training_started_at: "0" }, { ss_resolution: ["512"] }]) {
    assert.deepEqual(trainingFacts(metadata), [], JSON.stringify(metadata));
  }
  assert.equal(facts({ ss_resolution: "square" })["training.resolution"], "square");
});
