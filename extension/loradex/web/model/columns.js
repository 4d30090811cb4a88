// Turns the columnar index of the server into rows; a column that is missing has its usual value.

/** @import {Column, Row, Verdict} from "./types.js" */

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
    return (place) => {
      const code = codes[place];
      return Array.isArray(code) ? code.map((one) => values[one]) : values[/** @type {number} */ (code)];
    };
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
 * @param {Omit<Row, "searched" | "label">} row
 * @returns {string}
 */
export function searchedText(row) {
  return [row.name, row.title, row.folder, ...row.words, ...row.tags]
    .join("\n").toLowerCase();
}

/**
 * A row from the fields of the index's columns.
 * @param {(field: string) => unknown} of
 * @returns {Row}
 */
function rowOf(of) {
  const file = text(of("file"));
  const folder = text(of("folder"));
  const name = file.replace(/\.[^.]+$/, "");
  const row = {
    key: Number(of("key")), id: folder ? `${folder}/${file}` : file, root: Number(of("root") ?? 0),
    name, shortName: text(of("short")) || name, title: text(of("title")), folder,
    presence: text(of("presence")) || "present", status: text(of("status")) || "ok",
    family: text(of("family")), types: texts(of("types")), rank: Number(of("rank") ?? 0),
    verdict: /** @type {Verdict} */ (text(of("verdict"))), fault: text(of("fault")),
    words: texts(of("words")), tags: texts(of("tags")), hasNotes: Boolean(of("notes")),
    strength: number(of("strength")), favourite: Boolean(of("favourite")),
    rating: number(of("rating")), size: Number(of("size") ?? 0),
    modified: Number(of("modified") ?? 0) * 1000, added: Number(of("added") ?? 0) * 1000,
    preview: text(of("preview") || ""), media: text(of("media")), nsfw: Number(of("nsfw") ?? 0),
  };
  return { ...row, label: row.title || name, searched: searchedText(row) };
}

/**
 * @param {Record<string, Column>} columns
 * @returns {Row[]}
 */
export function rowsOf(columns) {
  /** @type {Map<string, (place: number) => unknown>} */
  const readers = new Map(
    Object.entries(columns).map(([name, column]) => [name, reader(column)]),
  );
  const keys = /** @type {readonly unknown[]} */ (columns.key ?? []);
  return keys.map((_, place) => rowOf((field) => readers.get(field)?.(place)));
}
