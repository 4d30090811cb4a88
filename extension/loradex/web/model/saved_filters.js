// Filters under names of the user's own, kept by the browser for the next visits.

/** @import {Choice} from "./types.js" */
/** @import {Filter} from "./filter.js" */
import { NO_FILTERS } from "./filter.js";

const KEPT = "loradex.filters";

/** @typedef {Pick<Choice, Filter>} Filters */
/** @typedef {Record<string, unknown>} Packed what JSON can hold of it: only what is on */

/**
 * @param {Filters} filters
 * @returns {Packed}
 */
export function packed(filters) {
  /** @type {Packed} */
  const kept = {};
  for (const name of /** @type {Filter[]} */ (Object.keys(NO_FILTERS))) {
    const value = filters[name];
    const on = value instanceof Set ? value.size > 0 : value !== NO_FILTERS[name];
    if (on) {
      kept[name] = value instanceof Set ? [...value].sort() : value;
    }
  }
  return kept;
}

/**
 * @param {Packed} kept what does not look like a filter is left out
 * @returns {Filters}
 */
export function unpacked(kept) {
  const read = Object.entries(NO_FILTERS).map(([name, usual]) => {
    const value = kept[name];
    if (usual instanceof Set) {
      return [name, new Set(Array.isArray(value) ? value.map(String) : [])];
    }
    return [name, typeof value === (usual === null ? "string" : typeof usual) ? value : usual];
  });
  return Object.fromEntries(read);
}

export class SavedFilters {
  /** @param {Storage | null} storage null where the browser gives none */
  constructor(storage) {
    this.storage = storage;
    /** @type {Map<string, Packed>} */
    this.known = new Map();
    this.read();
  }

  read() {
    try {
      const kept = JSON.parse(this.storage?.getItem(KEPT) ?? "{}");
      this.known = new Map(Object.entries(kept).filter(([, one]) => one && typeof one === "object"));
    } catch {
      // Not ours, or damaged: there are none then.
    }
  }

  get names() {
    return [...this.known.keys()].sort((a, b) => a.localeCompare(b));
  }

  /**
   * The name under which just these filters are kept.
   * @param {Filters} filters
   */
  nameOf(filters) {
    const wanted = JSON.stringify(packed(filters));
    return this.names.find((name) => JSON.stringify(this.known.get(name)) === wanted);
  }

  /** @param {string} name */
  get(name) {
    return unpacked(this.known.get(name) ?? {});
  }

  /**
   * @param {string} name
   * @param {Filters} filters
   */
  save(name, filters) {
    this.change((known) => known.set(name, packed(filters)));
  }

  /** @param {string} name */
  remove(name) {
    this.change((known) => known.delete(name));
  }

  /**
   * Read again first: another tab may have saved one meanwhile.
   * @param {(known: Map<string, Packed>) => void} action
   */
  change(action) {
    this.read();
    action(this.known);
    try {
      this.storage?.setItem(KEPT, JSON.stringify(Object.fromEntries(this.known)));
    } catch {
      // A full or forbidden storage keeps them for this visit only.
    }
  }
}
