// All rows in the browser, kept equal to the server's; tells its listeners what has changed.

/** @import {Applied, Row} from "./types.js" */
import { networkPath } from "./api.js";
import { rowsOf, searchedText } from "./columns.js";
import { Live } from "./live.js";
import { Names } from "./names.js";
import { labelRows } from "./titles.js";

/**
 * Events: `rows` (rows changed), `status` (checkpoint, roots), `applied`, `connection`,
 * `progress`.
 */
export class Library extends EventTarget {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this.api = api;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Map<number, Row>} */
    this.byKey = new Map();
    this.loaded = false;
    /** @type {any} */
    this.status = { roots: [], checkpoint: null };
    /** @type {Map<string, Applied>} */
    this.applied = new Map();
    this.connected = true;
    /** @type {Names | null} */
    this.names = null;
    this.live = new Live(
      (since) => api.address("events", since ? { since } : {}), (kind, data) => this.hear(kind, data),
      (connected) => this.setConnected(connected),
    );
  }

  /** Reads everything; also after a `reset`, when too much was missed. */
  async load() {
    const [{ index, revision }, status] = await Promise.all([this.api.index(), this.api.status()]);
    this.status = status;
    this.live.since = revision;
    this.replace(rowsOf(index.columns));
    this.loaded = true;
    this.tell("status");
    await this.loadApplied();
  }

  /** @param {Row[]} rows */
  replace(rows) {
    labelRows(rows);
    this.rows = rows;
    this.byKey = new Map(rows.map((row) => [row.key, row]));
    this.names = null;
    this.tell("rows");
  }

  async loadApplied() {
    const { applied = [] } = await this.api.get("applied");
    this.applied = new Map(applied.map(appliedOf).map(
      (/** @type {Applied} */ one) => [one.id, one]));
    this.tell("applied");
  }

  /** @returns {Names} made when it is first needed: it costs 40 ms for 20,000 files */
  nameIndex() {
    this.names ??= new Names(this.rows);
    return this.names;
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  hear(kind, data) {
    if (kind === "networks") {
      this.merge(rowsOf(data.columns), data.gone);
    } else if (kind === "applied") {
      this.loadApplied().catch(() => this.setConnected(false));
    } else if (kind === "hashing") {
      this.dispatchEvent(new CustomEvent("progress", { detail: data }));
    } else {
      // Another checkpoint changes every verdict, and a reset anything.
      this.load().catch(() => this.live.retry());
    }
  }

  /**
   * @param {readonly Row[]} changed
   * @param {readonly number[]} gone keys
   */
  merge(changed, gone) {
    const next = new Map(this.byKey);
    gone.forEach((key) => next.delete(key));
    changed.forEach((row) => next.set(row.key, row));
    this.replace([...next.values()]);
  }

  /**
   * Shows a change at once, and takes it back if the server refuses it.
   * @param {Row} row
   * @param {Partial<Row>} changes
   */
  async edit(row, changes) {
    const before = this.byKey.get(row.key) ?? row;
    const edited = { ...before, ...changes };
    this.merge([{ ...edited, searched: searchedText(edited) }], []);
    try {
      return await this.api.send("PATCH", networkPath(row.id), serverFields(changes), { root: row.root });
    } catch (error) {
      this.merge([before], []);
      throw error;
    }
  }

  /** @param {boolean} connected */
  setConnected(connected) {
    if (this.connected !== connected) {
      this.connected = connected;
      this.tell("connection");
    }
  }

  /** @param {string} name */
  tell(name) {
    this.dispatchEvent(new CustomEvent(name));
  }
}

/**
 * The fields of a row that a user may change, under the server's names.
 * @param {Partial<Row>} changes
 */
function serverFields(changes) {
  const { words, strength, ...others } = changes;
  return {
    ...others, ...(words === undefined ? {} : { trigger_words: words }),
    ...(strength === undefined ? {} : { preferred_strength: strength }),
  };
}

/**
 * @param {any} one
 * @returns {Applied}
 */
function appliedOf(one) {
  const parts = /** @type {{matched: number, total: number}[]} */ (
    Object.values(one.components ?? {}));
  return {
    id: one.id, applied: parts.reduce((sum, part) => sum + part.matched, 0),
    total: parts.reduce((sum, part) => sum + part.total, 0),
  };
}
