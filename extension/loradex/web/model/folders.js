// The folders of all rows as a tree, each with the number of files below it.

/** @import {Row} from "./types.js" */

/**
 * @typedef {object} Folder
 * @property {string} path with the root's number first (`0/art/ink`)
 * @property {string} name
 * @property {number} count
 * @property {Folder[]} children
 */

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/**
 * @param {readonly Row[]} rows
 * @param {readonly string[]} roots paths of the roots, for their names
 * @param {readonly {root: number, folder: string}[]} [others] folders that may have no files
 * @returns {Folder[]} one for each root
 */
export function folderTree(rows, roots, others = []) {
  /** @type {Map<string, Folder>} */
  const known = new Map();
  const tops = roots.map((path, place) => folder(known, String(place), baseName(path)));
  for (const row of rows) {
    walk(known, tops, row).forEach((each) => {
      each.count += 1;
    });
  }
  others.forEach((place) => walk(known, tops, place));
  known.forEach((each) => each.children.sort((a, b) => names.compare(a.name, b.name)));
  return tops;
}

/**
 * The folders from the root down to a place; those that are new are made.
 * @param {Map<string, Folder>} known
 * @param {Folder[]} tops
 * @param {{root: number, folder: string}} place
 */
function walk(known, tops, place) {
  let path = String(place.root);
  let above = known.get(path);
  if (!above) {
    above = folder(known, path, path);
    tops.push(above);
  }
  const way = [above];
  for (const name of place.folder ? place.folder.split("/") : []) {
    path = `${path}/${name}`;
    let here = known.get(path);
    if (!here) {
      here = folder(known, path, name);
      above.children.push(here);
    }
    way.push(here);
    above = here;
  }
  return way;
}

/**
 * @param {Map<string, Folder>} known
 * @param {string} path
 * @param {string} name
 */
function folder(known, path, name) {
  /** @type {Folder} */
  const made = { path, name, count: 0, children: [] };
  known.set(path, made);
  return made;
}

/** @param {string} path */
function baseName(path) {
  return path.split(/[\\/]/).filter(Boolean).pop() ?? path;
}
