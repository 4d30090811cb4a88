// Chooses the rows that are shown, and counts what each filter would leave.

/** @import {Choice, Row} from "./types.js" */
import { fitRank } from "./order.js";
import { readQuery } from "./query.js";

/** Name of what has no family or type of its own. */
export const UNKNOWN = "unknown";

/** @type {Choice} */
export const EVERYTHING = {
  text: "", families: new Set(), types: new Set(), verdicts: new Set(), faults: false,
  favourites: false, hideUnfit: false, folder: null, sort: "name", descending: false, size: 190,
  list: false, blur: 4,
};

/** @typedef {"families" | "types" | "verdicts" | "faults" | "favourites"} Facet */

/** @type {Record<Facet, (row: Row, choice: Choice) => boolean>} */
const FACETS = {
  families: (row, { families }) => !families.size || families.has(row.family || UNKNOWN),
  types: (row, { types }) => !types.size || typesOf(row).some((type) => types.has(type)),
  verdicts: (row, { verdicts }) => !verdicts.size || verdicts.has(row.verdict),
  faults: (row, { faults }) => !faults || Boolean(row.fault),
  favourites: (row, { favourites }) => !favourites || row.favourite,
};

/**
 * @param {Row} row
 * @returns {readonly string[]}
 */
function typesOf(row) {
  return row.types.length ? row.types : [UNKNOWN];
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
 */
function found(rows, choice) {
  const { matches } = readQuery(choice.text);
  return rows.filter((row) => isBelow(row, choice.folder)
    && !(choice.hideUnfit && fitRank(row) > 0 && !row.fault) && matches(row));
}

/**
 * Rows that pass, those first whose name begins with the search, then those whose name has it.
 * @param {readonly Row[]} rows in their order
 * @param {Choice} choice
 */
export function chosen(rows, choice) {
  const tests = Object.values(FACETS);
  const passed = found(rows, choice).filter((row) => tests.every((test) => test(row, choice)));
  const { first } = readQuery(choice.text);
  if (!first) {
    return passed;
  }
  /** @type {Row[][]} */
  const groups = [[], [], [], [], [], [], [], [], []];
  for (const row of passed) {
    const at = row.name.toLowerCase().indexOf(first);
    groups[fitRank(row) * 3 + (at === 0 ? 0 : at > 0 ? 1 : 2)].push(row);
  }
  return groups.flat();
}

/**
 * How many rows each chip of a facet would show with the other filters as they are.
 * @param {readonly Row[]} rows
 * @param {Choice} choice
 * @returns {Record<Facet, Map<string, number>>}
 */
export function counted(rows, choice) {
  /** @type {Record<Facet, Map<string, number>>} */
  const counts = {
    families: new Map(), types: new Map(), verdicts: new Map(), faults: new Map(),
    favourites: new Map(),
  };
  const facets = /** @type {[Facet, (row: Row, choice: Choice) => boolean][]} */ (
    Object.entries(FACETS));
  for (const row of found(rows, choice)) {
    const failed = facets.filter(([, test]) => !test(row, choice)).map(([facet]) => facet);
    if (failed.length < 2) {
      const counting = failed.length ? failed : /** @type {Facet[]} */ (Object.keys(counts));
      counting.forEach((facet) => count(counts[facet], valuesOf(row, facet)));
    }
  }
  return counts;
}

/**
 * @param {Row} row
 * @param {Facet} facet
 * @returns {readonly string[]}
 */
function valuesOf(row, facet) {
  switch (facet) {
    case "families": return [row.family || UNKNOWN];
    case "types": return typesOf(row);
    case "verdicts": return row.verdict ? [row.verdict] : [];
    case "faults": return row.fault ? ["faults"] : [];
    default: return row.favourite ? ["favourites"] : [];
  }
}

/**
 * @param {Map<string, number>} counts
 * @param {readonly string[]} values
 */
function count(counts, values) {
  values.forEach((value) => counts.set(value, (counts.get(value) ?? 0) + 1));
}
