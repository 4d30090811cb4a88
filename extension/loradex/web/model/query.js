// Reads what is typed into the search box: words, "words together", -not and `operator:value`.

/** @import {Row} from "./types.js" */

/**
 * What one part of the query asks of a row.
 * @typedef {(row: Row) => boolean} Test
 */

/**
 * What is known besides the rows.
 * @typedef {object} Known
 * @property {Record<string, string>} [families] their titles
 */

/**
 * @typedef {object} Query
 * @property {readonly string[]} words plain ones, in lower case; all of them are asked for
 * @property {string} plain the same as one text, which notes may have too
 * @property {Test} matches whether a row passes everything else that is asked
 */

const FITS = /** @type {Record<string, string>} */ ({
  yes: "fits", no: "no_effect", partly: "partly", unknown: "unknown", broken: "broken",
  fits: "fits", no_effect: "no_effect",
});
const UNITS = /** @type {Record<string, number>} */ ({ k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, g: 1e9, gb: 1e9 });
const USUAL_UNIT = 1e6;

/** @type {Record<string, (value: string, known: Known) => Test>} */
const OPERATORS = {
  name: (value) => (row) => row.name.toLowerCase().includes(value) || row.title.toLowerCase().includes(value),
  family: (value, { families = {} }) => (row) => (value === "unknown" ? !row.family
    : row.family.toLowerCase().startsWith(value) || (families[row.family] ?? "").toLowerCase().includes(value)),
  type: (value) => (row) => row.types.some((type) => type.toLowerCase().startsWith(value)),
  fits: (value) => (row) => row.verdict === (FITS[value] ?? value),
  tag: (value) => (row) => row.tags.some((tag) => tag.toLowerCase().includes(value)),
  word: (value) => (row) => row.words.some((word) => word.toLowerCase().includes(value)),
  folder: (value) => (row) => row.folder.toLowerCase().includes(value),
  fav: (value) => yesOrNo(value, (row) => row.favourite),
  fault: (value) => yesOrNo(value, (row) => Boolean(row.fault), (row) => row.fault.includes(value)),
  notes: (value) => yesOrNo(value, (row) => row.hasNotes),
  rating: (value) => compared(value, (row) => row.rating),
  rank: (value) => compared(value, (row) => row.rank || NaN),
  size: (value) => compared(value, (row) => row.size, USUAL_UNIT),
};

/** For the help: what may be asked, in the order in which it is explained. */
export const OPERATOR_NAMES = Object.keys(OPERATORS);

/**
 * @param {string} value
 * @param {Test} test
 * @param {Test} [other] for any other value
 * @returns {Test}
 */
function yesOrNo(value, test, other = test) {
  if ("yes".startsWith(value) || value === "1") {
    return test;
  }
  return "no".startsWith(value) || value === "0" ? (row) => !test(row) : other;
}

/**
 * `>7`, `<=1gb`, `4..8`, `8`; what is not known passes none of them.
 * @param {string} value
 * @param {(row: Row) => number} of
 * @param {number} unit of a number without one; with it, a bare size may be a tenth off
 * @returns {Test}
 */
function compared(value, of, unit = 1) {
  const [from, to] = value.split("..");
  if (to !== undefined) {
    const [low, high] = [numberOf(from || "0", unit), numberOf(to || "9e15", unit)];
    return (row) => of(row) >= low && of(row) <= high;
  }
  const [, sign, rest] = /^(>=|<=|>|<|=)?(.*)$/.exec(value) ?? [];
  const number = numberOf(rest, unit);
  const slack = unit > 1 ? number / 10 : 0;
  /** @type {Record<string, Test>} */
  const tests = {
    ">": (row) => of(row) > number, ">=": (row) => of(row) >= number,
    "<": (row) => of(row) < number, "<=": (row) => of(row) <= number,
  };
  return tests[sign] ?? ((row) => Math.abs(of(row) - number) <= slack);
}

/**
 * @param {string} text
 * @param {number} unit
 */
function numberOf(text, unit) {
  const [, digits, suffix] = /^([\d.e]+)\s*([a-z]*)$/.exec(text) ?? [];
  return digits === undefined ? NaN : Number(digits) * (unit > 1 ? UNITS[suffix] ?? unit : 1);
}

/**
 * Quotes keep words together; a leading minus leaves out what matches.
 * @param {string} typed
 * @param {Known} [known]
 * @returns {Query}
 */
export function readQuery(typed, known = {}) {
  const parts = typed.toLowerCase().match(/-?(?:\w+:)?(?:"[^"]*"?|[^\s"]+)/g) ?? [];
  /** @type {string[]} */
  const words = [];
  /** @type {Test[]} */
  const tests = [];
  for (const part of parts) {
    const negative = part.startsWith("-") && part.length > 1;
    const bare = negative ? part.slice(1) : part;
    const word = bare.replaceAll('"', "");
    const test = operatorTest(bare, known);
    if (test === undefined && !negative) {
      words.push(...word ? [word] : []);
    } else if (negative && test !== null) {
      const unwanted = test ?? ((/** @type {Row} */ row) => row.searched.includes(word));
      tests.push((row) => !unwanted(row));
    } else if (test) {
      tests.push(test);
    }
  }
  return { words, plain: words.join(" "), matches: (row) => tests.every((test) => test(row)) };
}

/**
 * @param {string} part
 * @param {Known} known
 * @returns {Test | null | undefined} null while an operator has no value yet, undefined for words
 */
function operatorTest(part, known) {
  const at = part.indexOf(":");
  const value = part.slice(at + 1).replaceAll('"', "");
  const name = part.slice(0, at);
  if (at <= 0 || !Object.hasOwn(OPERATORS, name)) {
    return undefined;
  }
  return value ? OPERATORS[name](value, known) : null;
}
