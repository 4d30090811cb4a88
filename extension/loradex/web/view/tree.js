// The folders as a list of buttons, each as far in as it is deep.

/** @import {Folder} from "../model/folders.js" */
import { make } from "./dom.js";

/**
 * @param {import("../model/i18n.js").Translate} t
 * @param {readonly Folder[]} folders
 * @param {string | null} chosen
 * @param {(path: string | null) => void} choose
 */
export function folderList(t, folders, chosen, choose) {
  const line = (/** @type {string | null} */ path, /** @type {string} */ name, /** @type {number} */ depth,
    /** @type {number | null} */ count) => make("button", {
    type: "button", class: "folder", style: `--depth:${depth}`, "aria-pressed": String(path === chosen),
    dir: "auto", onclick: () => choose(path),
  }, [name, count === null ? null : make("span", { class: "number", text: t("number", { value: count }) })]);
  const below = (/** @type {Folder} */ folder, /** @type {number} */ depth) => /** @type {Node[]} */ ([
    line(folder.path, folder.name, depth, folder.count),
    ...folder.children.flatMap((child) => below(child, depth + 1))]);
  return [line(null, t("tree.all"), 0, null), ...folders.flatMap((folder) => below(folder, 0))];
}
