// The modules of a network, gathered into the blocks of the model that they are for.

/** `down_blocks_0`, `double_blocks_7`, `text_model_encoder_layers_11` ... */
const NUMBERED = /^(.*?(?:blocks|layers|block|layer))_(\d+)(?:_|$)/;
/** Blocks that are there once. */
const SINGLE = /^(mid_block|middle_block)(?:_|$)/;
export const OTHERS = "";

/**
 * @typedef {object} Block
 * @property {string} name as the file has it; '' is what lies in no block
 * @property {number} modules
 * @property {number} rank the largest; 0 where none has one
 */

/**
 * @typedef {object} Part
 * @property {string} name `denoiser`, `te` ...
 * @property {readonly Block[]} blocks in the model's order
 * @property {number} modules
 */

/** @param {string} module */
export function blockOf(module) {
  const single = SINGLE.exec(module);
  const numbered = NUMBERED.exec(module);
  return single?.[1] ?? (numbered ? `${numbered[1]}_${numbered[2]}` : OTHERS);
}

/**
 * @param {unknown} modules `[component, name, rank]` of each
 * @returns {Part[]}
 */
export function partsOf(modules) {
  /** @type {Map<string, Map<string, Block>>} */
  const parts = new Map();
  for (const [component, name, rank] of Array.isArray(modules) ? modules : []) {
    const blocks = parts.get(component) ?? new Map();
    const block = blockOf(name);
    const before = blocks.get(block) ?? { modules: 0, rank: 0 };
    blocks.set(block, { name: block, modules: before.modules + 1, rank: Math.max(before.rank, rank ?? 0) });
    parts.set(component, blocks);
  }
  return [...parts].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, blocks]) => ({
    name, blocks: [...blocks.values()].sort(inOrder),
    modules: [...blocks.values()].reduce((sum, block) => sum + block.modules, 0),
  }));
}

/** The way through a UNet; other models have one kind of blocks, or several in alphabetical order. */
const STAGES = [/^(down|input)_/, /^mid/, /^(up|output)_/];

/** @param {string} name */
function stage(name) {
  const place = STAGES.findIndex((pattern) => pattern.test(name));
  if (name === OTHERS) {
    return STAGES.length + 1;
  }
  return place < 0 ? STAGES.length : place;
}

/**
 * @param {Block} one
 * @param {Block} other
 */
function inOrder(one, other) {
  return stage(one.name) - stage(other.name)
    || one.name.localeCompare(other.name, "en", { numeric: true });
}

/**
 * @param {readonly Block[]} blocks
 * @returns {[number, number]} the lowest rank and the highest
 */
export function rankRange(blocks) {
  const ranks = blocks.map((block) => block.rank);
  return ranks.length ? [Math.min(...ranks), Math.max(...ranks)] : [0, 0];
}
