// The folders as a tree: chosen with a click or keys, and a place to drop cards and files on.

/** @import {Line} from "../model/tree_lines.js" */
/** @import {Context} from "../model/types.js" */
import { folderTree } from "../model/folders.js";
import { tryOut } from "../model/operations.js";
import { folderPath, placeOf } from "../model/places.js";
import { above, afterKey, seenLines } from "../model/tree_lines.js";
import { later, make } from "./dom.js";
import { askNewFolder } from "./folder_picker.js";
import { icon } from "./icons.js";
import { movedSentence } from "./selection_bar.js";
import { TreeItem } from "./tree_item.js";

export const KEYS_TYPE = "application/x-loradex-keys";
const KEPT = "loradex.tree";
const ALL = "";
const FAVOURITES = "*";
const NOWHERE = "-";
/** A folder that cards are held over opens, so that they can go further down. */
const OPENS_AFTER_MS = 700;
const FOLDERS_AFTER_MS = 1500;

export class Tree {
  /** @param {Context} context */
  constructor(context) {
    const { t, library, view } = context;
    this.context = context;
    this.open = this.read();
    /** @type {readonly {root: number, folder: string}[]} */
    this.others = [];
    /** @type {readonly Line[]} */
    this.lines = [];
    /** @type {TreeItem[]} */
    this.items = [];
    this.focused = ALL;
    this.over = { path: NOWHERE, timer: 0 };
    this.list = make("div", { class: "tree-items", role: "tree", "aria-label": t("tree.label") });
    this.make = make("button", { type: "button", class: "plain-button", onclick: () => this.newFolder() },
      [icon("plus"), make("span", { text: t("folder.new") })]);
    this.tools = make("div", { class: "tree-tools" }, [this.make]);
    this.element = make("nav", { class: "tree", "aria-label": t("tree.label") }, [this.list, this.tools]);
    this.loadFolders = later(() => void this.load(), FOLDERS_AFTER_MS);
    library.addEventListener("rows", () => this.loadFolders());
    view.addEventListener("change", (event) => {
      const changed = /** @type {CustomEvent<string[]>} */ (event).detail;
      if (changed.includes("folder") || changed.includes("favourites")) {
        this.draw();
      }
    });
    this.listen();
  }

  listen() {
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("dragover", (event) => this.dragged(event));
    this.list.addEventListener("dragleave", () => this.leave());
    this.list.addEventListener("drop", (event) => this.dropped(event));
  }

  /** Folders without files are known to the server only; without them the tree is still right. */
  async load() {
    try {
      this.others = (await this.context.api.get("folders")).folders;
      this.draw();
    } catch {
      // The next change of the files asks again.
    }
  }

  draw() {
    const { library, view: { choice } } = this.context;
    const { rows } = library;
    const tree = folderTree(rows, library.status.roots, this.others);
    const chosen = choice.folder === null ? (choice.favourites ? FAVOURITES : ALL) : choice.folder;
    this.make.disabled = Boolean(library.status.locked);
    this.lines = [...this.fixed(rows), ...seenLines(tree, this.open)];
    const paths = new Set(this.lines.map((line) => line.path));
    this.focused = [this.focused, chosen].find((path) => paths.has(path)) ?? ALL;
    this.fill(chosen);
  }

  /**
   * @param {readonly import("../model/types.js").Row[]} rows
   * @returns {Line[]}
   */
  fixed(rows) {
    const { t } = this.context;
    const favourites = rows.reduce((count, row) => count + Number(row.favourite), 0);
    const line = { level: 1, open: null, siblings: 2 };
    return [{ ...line, path: ALL, name: t("tree.all"), count: rows.length, place: 1 },
      { ...line, path: FAVOURITES, name: t("filter.favourites"), count: favourites, place: 2 }];
  }

  /** @param {string} chosen */
  fill(chosen) {
    while (this.items.length > this.lines.length) {
      this.items.pop()?.element.remove();
    }
    while (this.items.length < this.lines.length) {
      const item = new TreeItem();
      this.items.push(item);
      this.list.append(item.element);
    }
    this.lines.forEach((line, place) => this.items[place].fill(line, {
      chosen: line.path === chosen, focused: line.path === this.focused,
      picture: line.path === ALL ? "all" : line.path === FAVOURITES ? "star" : "folder",
      count: this.context.t("number", { value: line.count }),
    }));
  }

  /** @param {Event} event */
  lineOf(event) {
    const element = /** @type {Element} */ (event.target).closest(".folder");
    return this.lines[this.items.findIndex((item) => item.element === element)];
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const line = this.lineOf(event);
    if (!line) {
      return;
    }
    this.focused = line.path;
    if (/** @type {Element} */ (event.target).closest(".twisty") && line.open !== null) {
      this.setOpen(line.path, !line.open);
    } else {
      this.choose(line.path);
    }
  }

  /** @param {string} path */
  choose(path) {
    const { view } = this.context;
    const inFavourites = view.choice.folder === null && view.choice.favourites;
    if (path === ALL || path === FAVOURITES) {
      view.change({ folder: null, favourites: path === FAVOURITES });
    } else {
      above(path).forEach((one) => this.open.add(one));
      view.change(inFavourites ? { folder: path, favourites: false } : { folder: path });
    }
    this.closeDrawer();
  }

  /** Only a narrow page has it over the list, where it can be in the way. */
  closeDrawer() {
    this.element.closest(".manager")?.classList.remove("tree-open");
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const at = this.lines.findIndex((line) => line.path === this.focused);
    const after = afterKey(event.key, at, this.lines);
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "Escape") {
      this.closeDrawer();
    } else if (event.key === "Enter" || event.key === " ") {
      this.choose(this.focused);
    } else if (after && "to" in after) {
      this.focused = this.lines[after.to].path;
      this.draw();
      this.items[after.to].element.focus();
    } else if (after) {
      this.setOpen(this.focused, after.open);
    } else {
      return;
    }
    event.preventDefault();
  }

  /**
   * @param {string} path
   * @param {boolean} open
   */
  setOpen(path, open) {
    if (open) {
      this.open.add(path);
    } else {
      this.open.delete(path);
    }
    this.keep();
    this.draw();
  }

  newFolder() {
    const { view } = this.context;
    askNewFolder(this.element, this.context, view.choice.folder, (path) => {
      this.others = [...this.others, placeOf(path)];
      this.choose(path);
    });
  }

  /** @param {DragEvent} event */
  dragged(event) {
    const line = this.lineOf(event);
    const cards = event.dataTransfer?.types.includes(KEYS_TYPE);
    const files = event.dataTransfer?.types.includes("Files");
    if (!line || line.path === FAVOURITES || !(files || (cards && line.path !== ALL))) {
      this.leave();
      return;
    }
    if (cards && event.dataTransfer) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "move";
    }
    if (line.path !== this.over.path) {
      this.leave();
      this.mark(line);
    }
  }

  /** @param {Line} line */
  mark(line) {
    const item = this.items[this.lines.indexOf(line)];
    item.element.classList.add("drop-here");
    const timer = setTimeout(() => line.open === false && this.setOpen(line.path, true), OPENS_AFTER_MS);
    this.over = { path: line.path, timer };
  }

  leave() {
    clearTimeout(this.over.timer);
    this.over = { path: NOWHERE, timer: 0 };
    this.items.forEach(({ element }) => element.classList.remove("drop-here"));
  }

  /** @param {DragEvent} event */
  dropped(event) {
    const line = this.lineOf(event);
    const keys = event.dataTransfer?.getData(KEYS_TYPE);
    this.leave();
    if (line && keys && ![ALL, FAVOURITES].includes(line.path)) {
      event.preventDefault();
      void this.move(JSON.parse(keys), line.path);
    }
  }

  /**
   * @param {readonly number[]} keys
   * @param {string} path
   */
  move(keys, path) {
    const place = placeOf(path);
    return tryOut(this.context, { action: "move", keys, ...place }, movedSentence(this.context, keys, place));
  }

  /** @returns {Set<string>} */
  read() {
    try {
      return new Set(JSON.parse(this.context.view.storage?.getItem(KEPT) ?? '["0"]'));
    } catch {
      return new Set(["0"]); // not ours, or damaged
    }
  }

  keep() {
    try {
      this.context.view.storage?.setItem(KEPT, JSON.stringify([...this.open]));
    } catch {
      // A full or forbidden storage costs the next visit's open folders, nothing else.
    }
  }
}

/**
 * Where new files go: the folder under the pointer, else the chosen one, else the first root.
 * @param {Context} context
 * @param {EventTarget | null} [target]
 */
export function folderFor({ view, library }, target) {
  const under = target instanceof Element ? target.closest(".folder")?.getAttribute("data-path") : null;
  const path = (under === FAVOURITES ? null : under) ?? view.choice.folder ?? "0";
  return { place: placeOf(path || "0"), name: folderPath(path || "0", library.status.roots) };
}
