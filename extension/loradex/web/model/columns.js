// Turns the columnar index of the server into rows; a column that is missing has its usual value.

/** @import {Column, IndexData, Row, Verdict} from "./types.js" */

/**
 * @param {Column | undefined} column
 * @returns {(place: number) => unknown}
 */
function reader(column) {
  if (!column) {
    return () => undefined;
  }
  if ("codes" in column) {
    const { codes, values } = column;
    return (place) => values[codes[place]];
  }
  return (place) => column[place];
}

/** @param {unknown} value */
const text = (value) => (value === null || value === undefined ? "" : String(value));

/** @param {unknown} value */
const number = (value) => (typeof value === "number" ? value : NaN);

/**
 * @param {unknown} value
 * @returns {readonly string[]}
 */
function texts(value) {
  if (Array.isArray(value)) {
    return value;
  }
  return value ? [String(value)] : [];
}

/**
 * A date as the API writes it, or as a number of seconds.
 * @param {unknown} value
 */
function time(value) {
  return typeof value === "number" ? value * 1000 : Date.parse(text(value)) || 0;
}

/** @param {string} id */
export function folderOf(id) {
  const end = id.lastIndexOf("/");
  return end < 0 ? "" : id.slice(0, end);
}

/** @param {string} id */
function nameOf(id) {
  return id.slice(id.lastIndexOf("/") + 1).replace(/\.[^.]+$/, "");
}

/**
 * @param {Omit<Row, "searched">} row
 * @returns {string}
 */
export function searchedText(row) {
  return [row.name, row.title, row.folder, ...row.words, ...row.tags, row.notes]
    .join("\n").toLowerCase();
}

/**
 * A row from named fields, as the index's columns and the events have them.
 * @param {(field: string) => unknown} of
 * @returns {Row}
 */
export function rowOf(of) {
  const id = text(of("id"));
  const name = text(of("name")) || nameOf(id);
  const row = {
    key: Number(of("key")), id, root: Number(of("root") ?? 0), name,
    shortName: text(of("short_name")) || name, title: text(of("title")), folder: folderOf(id),
    presence: text(of("presence")) || "present", status: text(of("status")) || "ok",
    family: text(of("family")), types: texts(of("types")), rank: Number(of("rank") ?? 0),
    verdict: /** @type {Verdict} */ (text(of("verdict"))), fault: text(of("fault")),
    words: texts(of("trigger_words")), tags: texts(of("tags")), notes: text(of("notes")),
    strength: number(of("preferred_strength")), favourite: Boolean(of("favourite")),
    rating: number(of("rating")), size: Number(of("size_bytes") ?? 0),
    modified: time(of("modified")), added: time(of("added")), preview: text(of("preview") || ""),
  };
  return { ...row, searched: searchedText(row) };
}

/**
 * @param {IndexData} data
 * @returns {Row[]}
 */
export function rowsOf(data) {
  /** @type {Map<string, (place: number) => unknown>} */
  const readers = new Map(
    Object.entries(data.columns).map(([name, column]) => [name, reader(column)]),
  );
  const rows = [];
  for (let place = 0; place < data.count; place += 1) {
    rows.push(rowOf((field) => readers.get(field)?.(place)));
  }
  return rows;
}
