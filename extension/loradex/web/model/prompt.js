// Reads and changes the network tags of a prompt, in the grammar of `loradex.prompts.tags`.

const TAG = /<(lora|lyco):([^>]+)>/gi;
const NUMBERS = ["te", "unet", "dyn"];

/**
 * One `<lora:name:strength>` as it stands in a prompt.
 * @typedef {object} Tag
 * @property {string} text
 * @property {number} start
 * @property {string} kind
 * @property {string} name
 * @property {readonly string[]} values what follows the name
 * @property {number} strength of the text encoder, which the UNet follows; NaN if it is no number
 */

/**
 * @param {string} prompt
 * @returns {Tag[]}
 */
export function readTags(prompt) {
  return [...prompt.matchAll(TAG)].map((match) => {
    const [name, ...values] = match[2].split(":").map((part) => part.trim());
    return {
      text: match[0], start: match.index, kind: match[1], name, values,
      strength: strengthOf(values),
    };
  });
}

/** @param {readonly string[]} values */
function strengthOf(values) {
  const named = values.find((value) => /^te\s*=/.test(value));
  const given = named?.split("=")[1] ?? values.find((value) => !value.includes("="));
  return given === undefined ? 1 : parseNumber(given);
}

/** @param {string} text */
function parseNumber(text) {
  return text.trim() === "" ? NaN : Number(text);
}

/** @param {number} value */
export function strengthText(value) {
  return String(Math.round(value * 1000) / 1000);
}

/**
 * @param {string} name
 * @param {number} strength
 */
export function tagText(name, strength) {
  return `<lora:${name}:${strengthText(Number.isNaN(strength) ? 1 : strength)}>`;
}

/** @param {string} name */
export function canBeWritten(name) {
  return name.trim() === name && name !== "" && !/[:>]/.test(name);
}

/**
 * Other values of the tag (UNet strength, `lbw=`) stay as they are.
 * @param {string} prompt
 * @param {Tag} tag
 * @param {number} strength
 */
export function withStrength(prompt, tag, strength) {
  const written = strengthText(strength);
  const values = [...tag.values];
  const named = values.findIndex((value) => /^te\s*=/.test(value));
  const plain = values.findIndex((value) => !value.includes("="));
  if (named >= 0) {
    values[named] = `te=${written}`;
  } else if (plain >= 0) {
    values[plain] = written;
  } else {
    values.unshift(written);
  }
  return withText(prompt, tag, `<${tag.kind}:${[tag.name, ...values].join(":")}>`);
}

/**
 * @param {string} prompt
 * @param {Tag} tag
 * @param {string} name
 */
export function withName(prompt, tag, name) {
  return withText(prompt, tag, `<${tag.kind}:${[name, ...tag.values].join(":")}>`);
}

/**
 * Puts the tag at the end, and with it those words that the prompt does not have yet.
 * @param {string} prompt
 * @param {string} tag
 * @param {readonly string[]} words
 */
export function inserted(prompt, tag, words) {
  const missing = words.filter((word) => !hasWords(prompt, word));
  const before = prompt.trimEnd();
  const text = [before, tag].filter(Boolean).join(" ");
  return missing.length ? `${text}, ${missing.join(", ")}` : text;
}

/**
 * Takes out the tag and its words where they stand alone between commas.
 * @param {string} prompt
 * @param {Tag} tag
 * @param {readonly string[]} words
 */
export function removed(prompt, tag, words) {
  const without = prompt.slice(0, tag.start) + prompt.slice(tag.start + tag.text.length);
  const unwanted = new Set(words.flatMap(elements).map((word) => word.toLowerCase()));
  const kept = without.split(",").filter((part) => !unwanted.has(part.trim().toLowerCase()));
  return kept.join(",").replace(/[ \t]{2,}/g, " ").replace(/,(\s*,)+/g, ",")
    .replace(/^[\s,]+|[\s,]+$/g, "");
}

/** @param {string} words */
function elements(words) {
  return words.split(",").map((word) => word.trim()).filter(Boolean);
}

/**
 * @param {string} prompt
 * @param {string} words one trigger word, or several between commas
 */
export function hasWords(prompt, words) {
  const written = prompt.replace(TAG, " ").toLowerCase();
  return elements(words.toLowerCase()).every((word) => written.includes(word));
}

/**
 * The values without a name: up to three numbers or curves, then block weights (`MIDD`, a list).
 * @param {Tag} tag
 */
export function plainValues(tag) {
  const plain = tag.values.filter((value) => !value.includes("="));
  const first = plain.findIndex((value, place) => place > 0 && isWord(value));
  return first < 0 ? { strengths: plain, words: [] }
    : { strengths: plain.slice(0, first), words: plain.slice(first) };
}

/**
 * The name of a preset, or a list of at least three weights; two are a decimal comma.
 * @param {string} text
 */
function isWord(text) {
  if (text === "" || text.includes("@") || !Number.isNaN(Number(text))) {
    return false;
  }
  return text.includes(",") ? text.split(",").length >= 3
    : /^\p{L}/u.test(text) && !/^(nan|inf|infinity)$/i.test(text);
}

/**
 * Whether the strength is one number for the whole run, so that a slider can hold it.
 * @param {Tag} tag
 */
export function isReadable(tag) {
  return plainValues(tag).strengths.length <= NUMBERS.length && !Number.isNaN(tag.strength);
}

/**
 * What a tag says of its strength: a number, or the curve that it has.
 * @param {Tag} tag
 */
export function toldStrength(tag) {
  if (!Number.isNaN(tag.strength)) {
    return strengthText(tag.strength);
  }
  const named = tag.values.find((value) => /^te\s*=/.test(value))?.split("=")[1];
  return (named ?? plainValues(tag).strengths[0] ?? "").trim();
}

/**
 * The prompt with other text in the place of a tag.
 * @param {string} prompt
 * @param {Tag} tag
 * @param {string} text
 */
export function withText(prompt, tag, text) {
  return prompt.slice(0, tag.start) + text + prompt.slice(tag.start + tag.text.length);
}
