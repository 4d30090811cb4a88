// Reads what is typed into the search box: words, and `family:`, `type:`, `fits:`, `tag:`.

/** @import {Row} from "./types.js" */

const FITS = /** @type {Record<string, string>} */ ({
  yes: "fits", no: "no_effect", partly: "partly", unknown: "unknown", broken: "broken",
  fits: "fits", no_effect: "no_effect",
});

/**
 * What one part of the query asks of a row.
 * @typedef {(row: Row) => boolean} Test
 */

/** @type {Record<string, (value: string) => Test>} */
const PREFIXES = {
  family: (value) => (row) => row.family.toLowerCase().startsWith(value),
  type: (value) => (row) => row.types.some((type) => type.toLowerCase().startsWith(value)),
  fits: (value) => (row) => row.verdict === (FITS[value] ?? value),
  tag: (value) => (row) => row.tags.some((tag) => tag.toLowerCase().includes(value)),
  folder: (value) => (row) => row.folder.toLowerCase().includes(value),
};

/**
 * @typedef {object} Query
 * @property {string} first the first plain word, which ranks names above notes
 * @property {Test} matches
 */

/**
 * Quotes keep words together; a leading minus leaves out what matches.
 * @param {string} typed
 * @returns {Query}
 */
export function readQuery(typed) {
  const parts = typed.toLowerCase().match(/-?(?:\w+:)?(?:"[^"]*"?|[^\s"]+)/g) ?? [];
  const words = [];
  /** @type {Test[]} */
  const tests = [];
  for (const part of parts) {
    const negative = part.startsWith("-") && part.length > 1;
    const bare = negative ? part.slice(1) : part;
    const test = testOf(bare);
    if (test && negative) {
      tests.push((row) => !test(row));
    } else if (test) {
      tests.push(test);
      words.push(bare.replaceAll('"', ""));
    }
  }
  return {
    first: words.find((word) => !word.includes(":")) ?? "",
    matches: (row) => tests.every((test) => test(row)),
  };
}

/**
 * @param {string} part
 * @returns {Test | null} null while a prefix has no value yet
 */
function testOf(part) {
  const at = part.indexOf(":");
  const value = part.slice(at + 1).replaceAll('"', "");
  const known = at > 0 ? PREFIXES[part.slice(0, at)] : undefined;
  if (known) {
    return value ? known(value) : null;
  }
  const word = part.replaceAll('"', "");
  return word ? (row) => row.searched.includes(word) : null;
}
