// Finds what a half-written `<lora:na` may become, and writes it out.

/** @import {Row} from "./types.js" */
import { fitRank } from "./order.js";
import { canBeWritten, hasWords } from "./prompt.js";

const OPEN = /<(?:lora|lyco):([^<>:\n]*)$/i;
/** The rest of a tag that was there already. */
const REST = /^[^<>\n,]*>/;

/**
 * @param {string} text
 * @param {number} caret
 * @returns {{start: number, typed: string} | null} the tag that the caret is in, while it is a name
 */
export function openTag(text, caret) {
  const found = OPEN.exec(text.slice(0, caret));
  return found && { start: found.index, typed: found[1].trim().toLowerCase() };
}

/**
 * The best first: what fits, what begins with the letters, favourites.
 * @param {readonly Row[]} rows
 * @param {string} typed in lower case
 * @param {number} most
 * @returns {Row[]}
 */
export function candidates(rows, typed, most) {
  return rows.filter((row) => row.status === "ok" && canBeWritten(row.shortName))
    .map((row) => ({ row, place: placeOf(row, typed) })).filter(({ place }) => place >= 0)
    .sort((a, b) => fitRank(a.row) - fitRank(b.row) || a.place - b.place
      || Number(b.row.favourite) - Number(a.row.favourite) || a.row.name.localeCompare(b.row.name))
    .slice(0, most).map(({ row }) => row);
}

/**
 * @param {Row} row
 * @param {string} typed
 */
function placeOf(row, typed) {
  const name = row.name.toLowerCase();
  if (name.startsWith(typed) || row.shortName.toLowerCase().startsWith(typed)) {
    return 0;
  }
  if (name.includes(typed)) {
    return /[\s_-]/.test(name[name.indexOf(typed) - 1]) ? 1 : 2;
  }
  return row.searched.includes(typed) ? 3 : -1;
}

/**
 * @param {string} text
 * @param {{start: number, caret: number}} place
 * @param {string} tag
 * @param {readonly string[]} words what the prompt has of them is not written again
 * @returns {{text: string, caret: number}}
 */
export function completed(text, { start, caret }, tag, words) {
  const missing = words.filter((word) => !hasWords(text, word));
  const written = [tag, ...missing].join(", ");
  return { text: text.slice(0, start) + written + text.slice(caret).replace(REST, ""), caret: start + written.length };
}
