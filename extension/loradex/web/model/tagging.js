// The tags of some files, counted, and tags as they are typed.

/** @import {Row} from "./types.js" */

/**
 * @param {readonly Row[]} rows
 * @returns {Map<string, number>} those that most files have first
 */
export function tagCounts(rows) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { tags } of rows) {
    tags.forEach((tag) => counts.set(tag, (counts.get(tag) ?? 0) + 1));
  }
  return new Map([...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])));
}

/**
 * @param {string} typed tags with commas, also the wide ones of Chinese keyboards
 * @returns {string[]}
 */
export function splitTags(typed) {
  return [...new Set(typed.split(/[,，、;\n]/).map((tag) => tag.trim()).filter(Boolean))];
}
