// The two strengths of a tag, and the trigger words of the prompt as switches.

/** @import {Tag} from "./prompt.js" */
import { hasWords, removed, strengthText, tagText } from "./prompt.js";

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
  const given = named ?? tag.values.filter((value) => !value.includes("="))[1];
  return { te: tag.strength, unet: given === undefined ? tag.strength : Number(given) };
}

/**
 * The prompt with other strengths in one of its tags; what else the tag has (`lbw=`) stays.
 * @param {string} prompt
 * @param {Tag} tag
 * @param {number} te
 * @param {number} unet
 */
export function withStrengths(prompt, tag, te, unet) {
  const named = tag.values.filter((value) => value.includes("=") && !OURS.test(value));
  const dyn = tag.values.filter((value) => !value.includes("="))[2];
  const kept = [...named, ...(dyn === undefined ? [] : [`dyn=${dyn}`])];
  const text = tagOf(tag.name, te, unet).replace(/^<lora/, `<${tag.kind}`);
  const whole = kept.length ? `${text.slice(0, -1)}:${kept.join(":")}>` : text;
  return prompt.slice(0, tag.start) + whole + prompt.slice(tag.start + tag.text.length);
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
