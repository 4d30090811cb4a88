// Modules are gathered by block in the order in which a picture passes through them.
import assert from "node:assert/strict";
import test from "node:test";
import { blockOf, partsOf, rankRange } from "../../extension/loradex/web/model/layers.js";
import { strengthsOf, tagOf, toggledWords, withStrengths } from "../../extension/loradex/web/model/strengths.js";
import { readTags } from "../../extension/loradex/web/model/prompt.js";

test("each layout's blocks are found", () => {
  const expected = {
    down_blocks_0_attentions_1_proj_in: "down_blocks_0", mid_block_attentions_0_proj_in: "mid_block",
    input_blocks_4_1_proj_in: "input_blocks_4", middle_block_1_proj_in: "middle_block",
    double_blocks_12_img_attn_qkv: "double_blocks_12", single_transformer_blocks_3_proj_out: "single_transformer_blocks_3",
    text_model_encoder_layers_11_mlp_fc1: "text_model_encoder_layers_11", conv_in: "", time_embedding_linear_1: "",
  };
  for (const [module, block] of Object.entries(expected)) {
    assert.equal(blockOf(module), block);
  }
});

test("blocks go down, through the middle and up, by number; the rest comes last", () => {
  const names = ["up_blocks_1_a", "conv_in", "down_blocks_10_a", "mid_block_a", "down_blocks_2_a", "down_blocks_2_b"];
  const [te, unet] = [...partsOf([...names.map((name, place) => ["unet", name, place]), ["te", "encoder_layers_0_a", 4]])];
  assert.deepEqual(unet.blocks, [
    { name: "down_blocks_2", modules: 2, rank: 5 }, { name: "down_blocks_10", modules: 1, rank: 2 },
    { name: "mid_block", modules: 1, rank: 3 }, { name: "up_blocks_1", modules: 1, rank: 0 },
    { name: "", modules: 1, rank: 1 },
  ]);
  assert.deepEqual([unet.modules, te.modules, rankRange(unet.blocks)], [6, 1, [0, 5]]);
});

test("without modules, or with ranks that are not known, there is still an answer", () => {
  assert.deepEqual(partsOf(undefined), []);
  assert.equal(rankRange([]).at(1), 0);
  assert.equal(partsOf([["unet", "conv_in", null]])[0].blocks[0].rank, 0);
});

test("two strengths are written only where they differ, and read back", () => {
  assert.equal(tagOf("ink", 0.8, 0.8), "<lora:ink:0.8>");
  const [tag] = readTags(`x ${tagOf("ink", 0.5, 1)}`);
  assert.equal(tag.text, "<lora:ink:te=0.5:unet=1>");
  assert.deepEqual(strengthsOf(tag), { te: 0.5, unet: 1 });
  assert.deepEqual(strengthsOf(readTags("<lora:ink:0.8:0.5>")[0]), { te: 0.8, unet: 0.5 });
  assert.deepEqual(strengthsOf(readTags("<lora:ink>")[0]), { te: 1, unet: 1 });
});

test("other values of a tag survive new strengths", () => {
  const prompt = "a <lora:ink:0.8:0.5:16:lbw=ALL> b";
  assert.equal(withStrengths(prompt, readTags(prompt)[0], 1, 0.5), "a <lora:ink:te=1:unet=0.5:lbw=ALL:dyn=16> b");
  assert.equal(withStrengths(prompt, readTags(prompt)[0], 1, 1), "a <lora:ink:1:lbw=ALL:dyn=16> b");
});

test("a set of words goes in whole and out again, without what was there twice", () => {
  assert.equal(toggledWords("a cat", "ink, lines"), "a cat, ink, lines");
  assert.equal(toggledWords("a cat, ink", "ink, lines"), "a cat, ink, lines");
  assert.equal(toggledWords("a cat, ink, lines", "ink, lines"), "a cat");
  assert.equal(toggledWords("", "ink"), "ink");
});
