// All rows in one order, and their words as one string: the browser's own search runs through it
// at the speed of memory, where 20,000 rows one by one cost a letter its frame.

/** @import {Row} from "./types.js" */
import { fitRank } from "./order.js";

const END = "\0"; // nobody types it
const NOWHERE = -1;
/** Of a row that is found by its notes, which only the server has. */
const IN_NOTES = 0x7fffffff;
const PLACES = 3;
/** As many as `groupOf` tells apart. */
export const GROUPS = 3 * PLACES;

export class Haystack {
  /** @param {readonly Row[]} rows */
  constructor(rows) {
    this.rows = rows;
    this.ranks = Uint8Array.from(rows, fitRank);
    this.nameLengths = Uint32Array.from(rows, (row) => row.name.length);
    this.text = rows.map((row) => row.searched + END).join("");
    this.starts = new Uint32Array(rows.length + 1);
    rows.forEach((row, place) => {
      this.starts[place + 1] = this.starts[place] + row.searched.length + END.length;
    });
  }

  /**
   * Where in each row the first of some words begins; negative where one of them is missing.
   * @param {readonly string[]} words in lower case
   * @param {ReadonlySet<number>} noted keys of rows that count as found
   * @returns {Int32Array}
   */
  find([first, ...others], noted) {
    const found = this.places(first);
    for (const word of others) {
      const also = this.places(word);
      for (let place = 0; place < found.length; place += 1) {
        found[place] = also[place] === NOWHERE ? NOWHERE : found[place];
      }
    }
    if (noted.size) {
      this.rows.forEach(({ key }, place) => {
        found[place] = found[place] === NOWHERE && noted.has(key) ? IN_NOTES : found[place];
      });
    }
    return found;
  }

  /** @param {string} word */
  places(word) {
    const { starts, text } = this;
    const found = new Int32Array(this.rows.length).fill(NOWHERE);
    let place = 0;
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, starts[place + 1])) {
      while (starts[place + 1] <= at) {
        place += 1;
      }
      found[place] = at - starts[place];
    }
    return found;
  }

  /**
   * What fits before what does not, and in each of them names that begin with the word first.
   * @param {number} place
   * @param {number} at
   */
  groupOf(place, at) {
    const within = at === 0 ? 0 : at < this.nameLengths[place] ? 1 : 2;
    return this.ranks[place] * PLACES + within;
  }
}
