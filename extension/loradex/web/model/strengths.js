// The two strengths of a tag, and the trigger words of the prompt as switches.

/** @import {Tag} from "./prompt.js" */
import { hasWords, plainValues, removed, strengthText, tagText, withText } from "./prompt.js";

/** @type {Tag} what takes out words alone */
const NO_TAG = { text: "", start: 0, kind: "", name: "", values: [], strength: 0 };
const OURS = /^(te|unet)\s*=/i;

/**
 * The shortest tag with both strengths.
 * @param {string} name
 * @param {number} te
 * @param {number} unet
 */
export function tagOf(name, te, unet) {
  return te === unet ? tagText(name, te)
    : `<lora:${name}:te=${strengthText(te)}:unet=${strengthText(unet)}>`;
}

/**
 * @param {Tag} tag
 * @returns {{te: number, unet: number}} the UNet follows the text encoder where it is not named
 */
export function strengthsOf(tag) {
  const named = tag.values.find((value) => /^unet\s*=/i.test(value))?.split("=")[1];
  const given = named ?? plainValues(tag).strengths[1];
  return { te: tag.strength, unet: given === undefined ? tag.strength : Number(given) };
}

/**
 * The prompt with other strengths in one of its tags; what else the tag has (block weights, `hr=`,
 * `stop=`) stays, by name.
 * @param {string} prompt
 * @param {Tag} tag
 * @param {number} te
 * @param {number} unet
 */
export function withStrengths(prompt, tag, te, unet) {
  const named = tag.values.filter((value) => value.includes("=") && !OURS.test(value));
  const { strengths, words } = plainValues(tag);
  const dyn = strengths[2];
  const kept = [...named, ...(dyn === undefined ? [] : [`dyn=${dyn}`]), ...words.map(asNamed)];
  const text = tagOf(tag.name, te, unet).replace(/^<lora/, `<${tag.kind}`);
  return withText(prompt, tag, kept.length ? `${text.slice(0, -1)}:${kept.join(":")}>` : text);
}

/**
 * Block weights, then the number that `X` in them stands for, or the elements.
 * @param {string} word
 * @param {number} place
 */
function asNamed(word, place) {
  if (place === 0) {
    return `lbw=${word}`;
  }
  return Number.isNaN(Number(word)) ? `lbwe=${word}` : `x=${word}`;
}

/**
 * The prompt with a tag that does nothing in either pass, and keeps what else it says.
 * @param {string} prompt
 * @param {Tag} tag
 */
export function silenced(prompt, tag) {
  const values = tag.values.map((value) => value.replace(/^(hr|hrte|hrunet)(\s*=).*$/i, "$1$20"));
  return withStrengths(prompt, { ...tag, values }, 0, 0);
}

/**
 * Words go to the end, or out where the prompt has them all.
 * @param {string} prompt
 * @param {string} words
 */
export function toggledWords(prompt, words) {
  if (hasWords(prompt, words)) {
    return removed(prompt, NO_TAG, [words]);
  }
  const missing = singleWords(words).filter((word) => !hasWords(prompt, word));
  return [prompt.trimEnd().replace(/,$/, ""), ...missing].filter(Boolean).join(", ");
}

/**
 * The words of one set.
 * @param {string} set
 */
export function singleWords(set) {
  return set.split(",").map((word) => word.trim()).filter(Boolean);
}
