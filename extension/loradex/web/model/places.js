// Folders as the page names them (`0/art/ink`) and as the server does (root 0, folder `art/ink`).

/** @import {Row} from "./types.js" */

/** @typedef {{root: number, folder: string}} Place */

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/**
 * @param {string} path with the root's number first; the number alone is the root itself
 * @returns {Place}
 */
export function placeOf(path) {
  const at = path.indexOf("/");
  return at < 0 ? { root: Number(path), folder: "" }
    : { root: Number(path.slice(0, at)), folder: path.slice(at + 1) };
}

/** @param {Place} place */
export function pathOf({ root, folder }) {
  return folder ? `${root}/${folder}` : String(root);
}

/**
 * Every folder that has files, its parents, and those without any.
 * @param {readonly Row[]} rows
 * @param {readonly string[]} roots
 * @param {readonly Place[]} others
 * @returns {string[]} paths, a parent before what lies in it
 */
export function allFolders(rows, roots, others) {
  const found = new Set(roots.map((_, place) => String(place)));
  for (const place of [...rows, ...others]) {
    let path = String(place.root);
    for (const name of place.folder ? place.folder.split("/") : []) {
      path = `${path}/${name}`;
      found.add(path);
    }
  }
  return [...found].sort((a, b) => names.compare(a.replaceAll("/", "\0"), b.replaceAll("/", "\0")));
}

/**
 * A path for people: the root's own name first.
 * @param {string} path
 * @param {readonly string[]} roots
 */
export function folderPath(path, roots) {
  const { root, folder } = placeOf(path);
  const name = (roots[root] ?? "").split(/[\\/]/).filter(Boolean).pop() ?? String(root);
  return folder ? `${name}/${folder}` : name;
}
