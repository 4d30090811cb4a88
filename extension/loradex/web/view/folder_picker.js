// Asks for a folder: all of them with a search, and a new one below the chosen one.

/** @import {Context} from "../model/types.js" */
import { allFolders, folderPath, placeOf } from "../model/places.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";

/** More are found by typing a part of their path. */
const MOST = 200;

class FolderPicker {
  /**
   * @param {Context} context
   * @param {string} chosen
   */
  constructor(context, chosen) {
    const { t } = context;
    this.context = context;
    this.chosen = chosen;
    /** @type {readonly string[]} */
    this.paths = [];
    this.search = make("input", {
      type: "search", class: "field", "aria-label": t("folder.search"), placeholder: t("folder.search"), autocomplete: "off",
      oninput: () => this.draw(),
    });
    this.list = make("div", { class: "picker-list", role: "radiogroup", "aria-label": t("tree.label") });
    this.fresh = make("input", { class: "field", autocomplete: "off", placeholder: t("folder.new.hint"), "aria-label": t("folder.new") });
    this.body = [this.search, this.list, make("label", { class: "picker-new" }, [
      make("span", { text: t("folder.new") }), this.fresh])];
  }

  async load() {
    const { library } = this.context;
    this.paths = allFolders(library.rows, library.status.roots, []);
    this.draw();
    const { folders } = await this.context.api.get("folders");
    this.paths = allFolders(library.rows, library.status.roots, folders);
    this.draw();
  }

  draw() {
    const words = this.search.value.toLowerCase();
    const found = this.paths.filter((path) => this.nameOf(path).toLowerCase().includes(words));
    this.list.replaceChildren(...found.slice(0, MOST).map((path) => this.line(path)),
      ...(found.length > MOST ? [make("p", { class: "hint", text: this.context.t("folder.more") })] : []));
    this.list.querySelector(":checked")?.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} path */
  nameOf(path) {
    return folderPath(path, this.context.library.status.roots);
  }

  /** @param {string} path */
  line(path) {
    const radio = make("input", {
      type: "radio", name: "folder", value: path, checked: path === this.chosen, onchange: () => {
        this.chosen = path;
      },
    });
    return make("label", { class: "picker-line" }, [radio, make("span", { text: this.nameOf(path), dir: "auto" })]);
  }

  /** The chosen folder, or the new one below it. */
  place() {
    const { root, folder } = placeOf(this.chosen);
    const below = this.fresh.value.trim().replace(/^[\\/]+|[\\/]+$/g, "").replaceAll("\\", "/");
    return { root, folder: [folder, below].filter(Boolean).join("/") };
  }
}

/**
 * @param {Element} near
 * @param {Context} context
 * @param {{title: string, submit: string, chosen: string | null}} how
 * @param {(place: {root: number, folder: string}) => Promise<unknown>} action a folder that is new
 *   is made by the move itself
 */
export function pickFolder(near, context, { title, submit, chosen }, action) {
  const picker = new FolderPicker(context, chosen ?? "0");
  openDialog(near, context.t, { title, submit, body: picker.body, action: () => action(picker.place()) });
  picker.load().catch(context.fail);
}

/**
 * @param {Element} near
 * @param {Context} context
 * @param {string | null} below where it is made; null is the first root
 * @param {(path: string) => void} made
 */
export function askNewFolder(near, context, below, made) {
  const { t, api, library } = context;
  const { root, folder } = placeOf(below ?? "0");
  const name = make("input", { class: "field", autocomplete: "off", required: true, "aria-label": t("folder.new") });
  const where = t("folder.below", { folder: folderPath(below ?? "0", library.status.roots) });
  openDialog(near, t, {
    title: t("folder.new"), submit: t("folder.make"), body: [make("p", { class: "hint", text: where, dir: "auto" }), name],
    action: async () => {
      const wanted = [folder, name.value.trim()].filter(Boolean).join("/");
      const row = await api.send("POST", "folders", { root, folder: wanted });
      made(`${row.root}/${row.folder}`);
    },
  });
}
