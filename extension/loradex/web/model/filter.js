// Chooses the rows that are shown, and counts what each filter would leave.

/** @import {Choice, Row} from "./types.js" */
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
 * @param {Row} row
 * @param {string | null} folder
 */
function isBelow(row, folder) {
  if (folder === null) {
    return true;
  }
  const place = `${row.root}/${row.folder}`;
  return place === folder || place.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

/**
 * Search, folder and the switch, which no chip undoes.
 * @param {readonly Row[]} rows
 * @param {Choice} choice
 * @param {Record<string, string>} families
 */
function found(rows, choice, families) {
  const { matches } = readQuery(choice.text, { families, noted: choice.noted });
  return rows.filter((row) => isBelow(row, choice.folder)
    && !(choice.hideUnfit && fitRank(row) > 0 && !row.fault) && matches(row));
}

const PLAIN = /^[^\s":-][^":-]*$/;

/** One letter more finds a part of what was found before it, so only that is looked through. */
export class Narrowing {
  constructor() {
    /** @type {{rows: readonly Row[], choice: Choice, found: readonly Row[]} | null} */
    this.last = null;
  }

  /**
   * @param {readonly Row[]} rows
   * @param {Choice} choice
   * @param {Record<string, string>} families
   */
  found(rows, choice, families) {
    const result = found(this.narrows(rows, choice) ?? rows, choice, families);
    this.last = { rows, choice, found: result };
    return result;
  }

  /**
   * @param {readonly Row[]} rows
   * @param {Choice} choice
   */
  narrows(rows, choice) {
    const { last } = this;
    const same = last && last.rows === rows && last.choice.folder === choice.folder
      && last.choice.hideUnfit === choice.hideUnfit && !last.choice.noted.size && !choice.noted.size;
    return same && PLAIN.test(last.choice.text) && PLAIN.test(choice.text)
      && choice.text.startsWith(last.choice.text) ? last.found : null;
  }
}

/**
 * Rows that pass, those first whose name begins with the search, then those whose name has it.
 * @param {readonly Row[]} rows in their order
 * @param {Choice} choice
 * @param {Record<string, string>} [families] their titles
 * @param {Narrowing} [narrowing] what was found before
 */
export function chosen(rows, choice, families = {}, narrowing = new Narrowing()) {
  const tests = filterCount(choice) ? Object.values(FACETS) : [];
  const all = narrowing.found(rows, choice, families);
  const passed = tests.length ? all.filter((row) => tests.every((test) => test(row, choice))) : all;
  const { first } = readQuery(choice.text);
  if (!first) {
    return passed;
  }
  /** @type {Row[][]} */
  const groups = [[], [], [], [], [], [], [], [], []];
  for (const row of passed) {
    const at = row.searched.indexOf(first); // the name comes first there
    groups[fitRank(row) * 3 + (at === 0 ? 0 : at > 0 && at < row.name.length ? 1 : 2)].push(row);
  }
  return groups.flat();
}

/**
 * How many rows each chip of a facet would show with the other filters as they are.
 * @param {readonly Row[]} rows
 * @param {Choice} choice
 * @param {Record<string, string>} [families] their titles
 * @returns {Record<Facet, Map<string, number>>}
 */
export function counted(rows, choice, families = {}) {
  const counts = /** @type {Record<Facet, Map<string, number>>} */ (
    Object.fromEntries(NAMES.map((name) => [name, new Map()])));
  for (const row of found(rows, choice, families)) {
    const failed = NAMES.filter((name) => !FACETS[name](row, choice));
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
