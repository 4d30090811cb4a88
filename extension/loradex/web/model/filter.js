// Chooses the rows that are shown, and counts what each filter would leave.

/** @import {Choice, Row} from "./types.js" */
/** @import {Haystack} from "./haystack.js" */
import { GROUPS } from "./haystack.js";
import { fitRank } from "./order.js";
import { readQuery } from "./query.js";

/** Name of what has no family or type of its own. */
export const UNKNOWN = "unknown";

/** @typedef {"text" | "families" | "types" | "verdicts" | "tags" | "faults" | "favourites" | "hideUnfit" | "folder"} Filter */

/**
 * What leaves rows out, all of it off.
 * @type {Readonly<Pick<Choice, Filter>>}
 */
export const NO_FILTERS = {
  text: "", families: new Set(), types: new Set(), verdicts: new Set(), tags: new Set(), faults: false,
  favourites: false, hideUnfit: false, folder: null,
};

/** @type {Choice} */
export const EVERYTHING = {
  ...NO_FILTERS, noted: new Set(), sort: "name", descending: false, size: 190, list: false, blur: 4,
};

/** @typedef {"families" | "types" | "verdicts" | "tags" | "faults" | "favourites"} Facet */

/** @type {Record<Facet, (row: Row, choice: Choice) => boolean>} */
const FACETS = {
  families: (row, { families }) => !families.size || families.has(row.family || UNKNOWN),
  types: (row, { types }) => !types.size || typesOf(row).some((type) => types.has(type)),
  verdicts: (row, { verdicts }) => !verdicts.size || verdicts.has(row.verdict),
  // One more tag asks for less, as in the API: a file must have them all.
  tags: (row, { tags }) => [...tags].every((tag) => row.tags.includes(tag)),
  faults: (row, { faults }) => !faults || Boolean(row.fault),
  favourites: (row, { favourites }) => !favourites || row.favourite,
};

/** @type {Record<Facet, (row: Row) => readonly string[]>} */
const VALUES = {
  families: (row) => [row.family || UNKNOWN],
  types: typesOf,
  verdicts: (row) => (row.verdict ? [row.verdict] : []),
  tags: (row) => row.tags,
  faults: (row) => (row.fault ? ["faults"] : []),
  favourites: (row) => (row.favourite ? ["favourites"] : []),
};

const NAMES = /** @type {Facet[]} */ (Object.keys(FACETS));

/**
 * @param {Row} row
 * @returns {readonly string[]}
 */
function typesOf(row) {
  return row.types.length ? row.types : [UNKNOWN];
}

/**
 * How many filters are on, without the search and the folder, which are seen anyway.
 * @param {Choice} choice
 */
export function filterCount({ families, types, verdicts, tags, faults, favourites, hideUnfit }) {
  const sets = [families, types, verdicts, tags];
  return sets.reduce((sum, set) => sum + set.size, 0) + Number(faults) + Number(favourites) + Number(hideUnfit);
}

/**
 * Whether a row is where the user looks: in the folder, and not left out by the switch.
 * @param {Choice} choice
 * @returns {(row: Row) => boolean}
 */
function placeTest({ folder, hideUnfit }) {
  const below = folder === null || folder.endsWith("/") ? folder : `${folder}/`;
  return (row) => (below === null || `${row.root}/${row.folder}/`.startsWith(below))
    && !(hideUnfit && fitRank(row) > 0 && !row.fault);
}

/**
 * What search, folder and the switch leave, which no chip undoes: names that begin with the search
 * before those that have it, and what does not fit after all of them.
 * @param {Haystack} order
 * @param {Choice} choice
 * @param {Record<string, string>} [families] their titles
 * @returns {readonly Row[]}
 */
export function searched(order, choice, families = {}) {
  const { rows } = order;
  const { words, matches } = readQuery(choice.text, { families });
  const isHere = placeTest(choice);
  if (!words.length) {
    return rows.filter((row) => isHere(row) && matches(row));
  }
  const found = order.find(words, choice.noted);
  /** @type {Row[][]} */
  const groups = Array.from({ length: GROUPS }, () => []);
  for (let place = 0; place < rows.length; place += 1) {
    if (found[place] >= 0 && isHere(rows[place]) && matches(rows[place])) {
      groups[order.groupOf(place, found[place])].push(rows[place]);
    }
  }
  return groups[0].concat(...groups.slice(1)); // flat() takes ten times as long
}

/**
 * @param {Choice} choice
 * @returns {Facet[]}
 */
const active = (choice) => NAMES.filter((name) => {
  const chosen = choice[name];
  return typeof chosen === "boolean" ? chosen : chosen.size > 0;
});

/**
 * What the chips leave of it.
 * @param {readonly Row[]} rows
 * @param {Choice} choice
 */
export function passing(rows, choice) {
  const tests = active(choice).map((name) => FACETS[name]);
  return tests.length ? rows.filter((row) => tests.every((test) => test(row, choice))) : rows;
}

/**
 * How many rows each chip of a facet would show with the other filters as they are.
 * @param {readonly Row[]} rows what was searched for
 * @param {Choice} choice
 * @returns {Record<Facet, Map<string, number>>}
 */
export function counted(rows, choice) {
  const counts = /** @type {Record<Facet, Map<string, number>>} */ (
    Object.fromEntries(NAMES.map((name) => [name, new Map()])));
  const on = active(choice);
  for (const row of rows) {
    const failed = on.filter((name) => !FACETS[name](row, choice));
    if (!failed.length) {
      NAMES.forEach((name) => count(counts[name], VALUES[name](row)));
    } else if (failed.length === 1 && failed[0] !== "tags") {
      count(counts[failed[0]], VALUES[failed[0]](row));
    }
  }
  return counts;
}

/**
 * @param {Map<string, number>} counts
 * @param {readonly string[]} values
 */
function count(counts, values) {
  values.forEach((value) => counts.set(value, (counts.get(value) ?? 0) + 1));
}
