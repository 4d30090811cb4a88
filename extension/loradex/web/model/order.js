// Puts rows into the order of the user's choice; what does not fit the checkpoint comes last.

/** @import {Row} from "./types.js" */

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const VERDICTS = ["fits", "partly", "unknown", "", "no_effect", "broken"];

/** @param {number} value */
const known = (value) => (Number.isNaN(value) ? -1 : value);

/** @type {Record<string, (a: Row, b: Row) => number>} */
const ORDERS = {
  name: (a, b) => names.compare(a.label, b.label),
  path: (a, b) => a.root - b.root || names.compare(a.id, b.id),
  added: (a, b) => b.added - a.added,
  modified: (a, b) => b.modified - a.modified,
  size: (a, b) => b.size - a.size,
  rating: (a, b) => known(b.rating) - known(a.rating),
  family: (a, b) => names.compare(a.family, b.family),
  type: (a, b) => names.compare(a.types.join(), b.types.join()) || a.rank - b.rank,
  verdict: (a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict),
};
/** They begin with what is newest, largest or best. */
const LARGEST_FIRST = new Set(["added", "modified", "size", "rating"]);

export const SORTS = Object.keys(ORDERS);

/**
 * The way in which the values go, for people and their readers.
 * @param {string} sort
 * @param {boolean} descending
 */
export function wayOf(sort, descending) {
  return LARGEST_FIRST.has(sort) === descending ? "ascending" : "descending";
}

/**
 * How far down a row belongs whatever the order: what fits or may fit, what has no effect, what
 * cannot be used.
 * @param {Row} row
 */
export function fitRank(row) {
  if (row.fault && row.status !== "ok") {
    return 2;
  }
  return row.verdict === "no_effect" || row.verdict === "broken" ? 1 : 0;
}

/**
 * The rows as they were arranged before: what is sorted already is sorted again in a tenth of the time.
 * @param {ReadonlyMap<number, Row>} byKey all rows
 * @param {readonly Row[]} before
 */
export function arranged(byKey, before) {
  const left = new Map(byKey);
  const kept = before.flatMap(({ key }) => {
    const row = left.get(key);
    left.delete(key);
    return row ?? [];
  });
  return [...kept, ...left.values()];
}

/**
 * @param {readonly Row[]} rows
 * @param {string} sort
 * @param {boolean} descending the other way round within each group
 */
export function ordered(rows, sort, descending) {
  const compare = ORDERS[sort] ?? ORDERS.name;
  const way = descending ? -1 : 1;
  return [...rows].sort((a, b) => fitRank(a) - fitRank(b) || way * compare(a, b) || a.key - b.key);
}
