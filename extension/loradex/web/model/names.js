// Finds the row that a name in a prompt means, and the nearest names where there is none.

/** @import {Row} from "./types.js" */

const NEAR = 3;

/** @param {Row} row */
function spellings(row) {
  const bare = row.id.replace(/\.[^./]+$/, "");
  const parts = bare.split("/");
  const ends = parts.map((_, place) => parts.slice(place).join("/"));
  return new Set([row.shortName, row.id, ...ends].map((name) => name.toLowerCase()));
}

export class Names {
  /** @param {readonly Row[]} rows */
  constructor(rows) {
    /** @type {Map<string, Row[]>} */
    this.known = new Map();
    for (const row of rows) {
      for (const name of spellings(row)) {
        const found = this.known.get(name);
        if (found) {
          found.push(row);
        } else {
          this.known.set(name, [row]);
        }
      }
    }
  }

  /**
   * Rows that a name may mean: one, none, or several where it is not clear.
   * @param {string} name
   * @returns {readonly Row[]}
   */
  find(name) {
    const found = this.known.get(name.trim().toLowerCase()) ?? [];
    const exact = found.filter((row) => row.shortName === name.trim());
    return exact.length === 1 ? exact : found;
  }

  /**
   * @param {string} name
   * @returns {readonly Row[]}
   */
  near(name) {
    const wanted = name.trim().toLowerCase();
    const least = Math.max(2, Math.floor(wanted.length * 0.4));
    /** @type {Map<Row, number>} */
    const best = new Map();
    for (const [spelling, rows] of this.known) {
      const away = distance(wanted, spelling, least);
      if (away <= least) {
        rows.forEach((row) => best.set(row, Math.min(best.get(row) ?? away, away)));
      }
    }
    return [...best].sort((a, b) => a[1] - b[1]).slice(0, NEAR).map(([row]) => row);
  }
}

/**
 * Edits from one name to another; more than `most` are not counted exactly.
 * @param {string} from
 * @param {string} to
 * @param {number} most
 */
export function distance(from, to, most) {
  if (Math.abs(from.length - to.length) > most) {
    return most + 1;
  }
  let line = Array.from({ length: to.length + 1 }, (_, place) => place);
  for (let row = 1; row <= from.length; row += 1) {
    const next = [row];
    for (let place = 1; place <= to.length; place += 1) {
      const same = from[row - 1] === to[place - 1] ? 0 : 1;
      next.push(Math.min(next[place - 1] + 1, line[place] + 1, line[place - 1] + same));
    }
    if (Math.min(...next) > most) {
      return most + 1;
    }
    line = next;
  }
  return line[to.length];
}
