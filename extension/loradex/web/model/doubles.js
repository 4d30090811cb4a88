// Groups of files that are there twice: which one stays, and what that gains.

/** @import {Row} from "./types.js" */

/**
 * @typedef {object} Group
 * @property {string} kind
 * @property {readonly number[]} keys
 * @property {number} keep
 * @property {number} bytes
 */

/**
 * Rows of a group, the one to keep first; those that are gone since are left out.
 * @param {Group} group
 * @param {ReadonlyMap<number, Row>} byKey
 * @returns {Row[]}
 */
export function membersOf({ keys, keep }, byKey) {
  const rows = keys.flatMap((key) => byKey.get(key) ?? []);
  return rows.sort((a, b) => Number(b.key === keep) - Number(a.key === keep));
}

/**
 * Groups in which there is still something to choose.
 * @param {readonly Group[]} groups
 * @param {ReadonlyMap<number, Row>} byKey
 */
export function openGroups(groups, byKey) {
  return groups.filter((group) => membersOf(group, byKey).length > 1);
}

/** Only these are the same; of the others, epochs and what looks alike, each may be wanted. */
export const SAME = new Set(["same_file", "same_tensors"]);

/**
 * The files that go when the suggestion is taken for all groups that are surely the same.
 * @param {readonly Group[]} groups
 * @param {ReadonlyMap<number, Row>} byKey
 */
export function spare(groups, byKey) {
  return openGroups(groups, byKey).filter(({ kind }) => SAME.has(kind))
    .flatMap((group) => membersOf(group, byKey).slice(1).map((row) => row.key));
}
