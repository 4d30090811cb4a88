// Which lines of the folder tree are seen, and where the keys of a tree lead from one of them.

/** @import {Folder} from "./folders.js" */

/**
 * @typedef {object} Line
 * @property {string} path
 * @property {string} name
 * @property {number} count
 * @property {number} level 1 for a root
 * @property {boolean | null} open null where there is nothing below
 * @property {number} place among its siblings, from 1 on
 * @property {number} siblings how many they are, itself too
 */

/**
 * @param {readonly Folder[]} folders
 * @param {ReadonlySet<string>} open paths of those whose children are seen
 * @param {number} [level]
 * @returns {Line[]}
 */
export function seenLines(folders, open, level = 1) {
  return folders.flatMap((folder, place) => {
    const isOpen = folder.children.length ? open.has(folder.path) : null;
    const line = {
      path: folder.path, name: folder.name, count: folder.count, level, open: isOpen,
      place: place + 1, siblings: folders.length,
    };
    return isOpen ? [line, ...seenLines(folder.children, open, level + 1)] : [line];
  });
}

/**
 * The folders above one, the root first.
 * @param {string} path
 */
export function above(path) {
  const parts = path.split("/");
  return parts.slice(0, -1).map((_, place) => parts.slice(0, place + 1).join("/"));
}

/**
 * Where a key leads: to another line, or to opening or closing this one.
 * @param {string} key
 * @param {number} at
 * @param {readonly Pick<Line, "level" | "open">[]} lines
 * @returns {{to: number} | {open: boolean} | null} null where the key is not one of a tree's
 */
export function afterKey(key, at, lines) {
  const line = lines[at];
  const last = lines.length - 1;
  switch (key) {
    case "ArrowDown": return { to: Math.min(at + 1, last) };
    case "ArrowUp": return { to: Math.max(at - 1, 0) };
    case "Home": return { to: 0 };
    case "End": return { to: last };
    case "ArrowRight": return line.open === false ? { open: true } : { to: line.open ? at + 1 : at };
    case "ArrowLeft": return line.open ? { open: false } : { to: parent(at, lines) };
    default: return null;
  }
}

/**
 * @param {number} at
 * @param {readonly Pick<Line, "level">[]} lines
 */
function parent(at, lines) {
  for (let place = at - 1; place >= 0; place -= 1) {
    if (lines[place].level < lines[at].level) {
      return place;
    }
  }
  return at;
}
