// The folders as a list of buttons, each as far in as it is deep.

/** @import {Folder} from "../model/folders.js" */
/** @import {Context} from "../model/types.js" */
import { folderTree } from "../model/folders.js";
import { make } from "./dom.js";

export class Tree {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.element = make("nav", { class: "tree", "aria-label": context.t("tree.label") });
  }

  draw() {
    const { library, t } = this.context;
    const folders = folderTree(library.rows, library.status.roots);
    this.element.replaceChildren(
      this.line(null, t("tree.all"), 0, null), ...folders.flatMap((folder) => this.below(folder, 0)));
  }

  /**
   * @param {Folder} folder
   * @param {number} depth
   * @returns {Node[]}
   */
  below(folder, depth) {
    return [this.line(folder.path, folder.name, depth, folder.count),
      ...folder.children.flatMap((child) => this.below(child, depth + 1))];
  }

  /**
   * @param {string | null} path
   * @param {string} name
   * @param {number} depth
   * @param {number | null} count
   */
  line(path, name, depth, count) {
    const { view, t } = this.context;
    return make("button", {
      type: "button", class: "folder", style: `--depth:${depth}`, dir: "auto",
      "aria-pressed": String(path === view.choice.folder), onclick: () => view.change({ folder: path }),
    }, [name, count === null ? null : make("span", { class: "number", text: t("number", { value: count }) })]);
  }
}
