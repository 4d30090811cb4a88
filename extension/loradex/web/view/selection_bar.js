// What can be done with all chosen files at once; it is there as long as some are chosen.

/** @import {Context, Row} from "../model/types.js" */
import { carryOut, tryOut } from "../model/operations.js";
import { folderPath, pathOf } from "../model/places.js";
import { canBeWritten, readTags } from "../model/prompt.js";
import { make, setText } from "./dom.js";
import { pickFolder } from "./folder_picker.js";
import { icon } from "./icons.js";
import { askName } from "./rename_dialog.js";
import { askTags } from "./tag_dialog.js";

const BEST = 10;

export class SelectionBar {
  /**
   * @param {Context} context
   * @param {() => readonly Row[]} shown the rows that the list has now
   */
  constructor(context, shown) {
    const { t, selection, library } = context;
    this.context = context;
    this.shown = shown;
    this.count = make("strong", { class: "chosen-count", role: "status" });
    this.rename = this.button("edit", "bar.rename", () => this.askName());
    this.rating = this.ratingMenu();
    this.changing = [
      this.button("folder", "bar.move", () => this.askFolder()), this.button("tag", "bar.tag", () => askTags(this.element, context, this.rows())),
      this.rename, this.button("star", "bar.favourite", () => this.favourite()), this.rating,
      this.button("trash", "bar.trash", () => void this.trash()),
    ];
    this.element = make("div", { class: "selection-bar", role: "toolbar", "aria-label": t("bar.label"), hidden: true }, [
      this.count, ...this.changing, this.button("insert", "bar.insert", () => this.insert()),
      make("span", { class: "spring" }), this.button("all", "bar.all", () => this.chooseAll()),
      this.button("close", "bar.clear", () => selection.clear()),
    ]);
    selection.addEventListener("change", () => this.draw());
    library.addEventListener("rows", () => this.dropGone());
    library.addEventListener("status", () => this.draw());
  }

  /**
   * @param {string} picture
   * @param {string} word
   * @param {() => void} onclick
   */
  button(picture, word, onclick) {
    return make("button", { type: "button", class: "plain-button", onclick },
      [icon(picture), make("span", { text: this.context.t(word) })]);
  }

  ratingMenu() {
    const { t } = this.context;
    const values = Array.from({ length: BEST + 1 }, (_, place) => BEST - place);
    const menu = make("select", {
      class: "plain-button", "aria-label": t("bar.rate"), onchange: () => {
        const { value } = menu;
        menu.value = "";
        void this.rate(value === "none" ? null : Number(value));
      },
    }, [make("option", { value: "", text: t("bar.rate") }),
      ...values.map((value) => make("option", { value, text: t("number", { value }) })),
      make("option", { value: "none", text: t("bar.rate.none") })]);
    return menu;
  }

  /** @returns {Row[]} */
  rows() {
    const { selection, library } = this.context;
    return [...selection.keys].flatMap((key) => library.byKey.get(key) ?? []);
  }

  keys() {
    return [...this.context.selection.keys];
  }

  draw() {
    const { t, selection, library } = this.context;
    const { size } = selection.keys;
    const { locked } = library.status;
    this.element.hidden = !size;
    setText(this.count, size ? t("bar.count", { count: size }) : "");
    for (const control of this.changing) {
      control.disabled = Boolean(locked) || (control === this.rename && size !== 1);
      control.title = locked || "";
    }
  }

  dropGone() {
    const { selection, library } = this.context;
    const there = this.keys().filter((key) => library.byKey.has(key));
    if (there.length < selection.keys.size) {
      selection.set(there);
    }
  }

  chooseAll() {
    this.context.selection.set(this.shown().map((row) => row.key));
  }

  askFolder() {
    const { t, view } = this.context;
    const keys = this.keys();
    const how = { title: t("move.title", { count: keys.length }), submit: t("move.submit"), chosen: view.choice.folder };
    pickFolder(this.element, this.context, how, (place) => this.move(keys, place));
  }

  /**
   * @param {readonly number[]} keys
   * @param {import("../model/places.js").Place} place
   */
  move(keys, place) {
    return carryOut(this.context, { action: "move", keys, ...place }, movedSentence(this.context, keys, place));
  }

  askName() {
    askName(this.element, this.context, this.rows()[0]);
  }

  favourite() {
    const favourite = !this.rows().every((row) => row.favourite);
    const word = favourite ? "done.favourite" : "done.unfavourite";
    return this.edit({ favourite }, word);
  }

  /** @param {number | null} rating */
  rate(rating) {
    return this.edit({ rating }, "done.rating");
  }

  /**
   * @param {{favourite?: boolean, rating?: number | null}} fields
   * @param {string} word
   */
  edit(fields, word) {
    const keys = this.keys();
    return tryOut(this.context, { action: "edit", keys, ...fields }, this.context.t(word, { count: keys.length }));
  }

  async trash() {
    const keys = this.keys();
    await tryOut(this.context, { action: "trash", keys }, this.context.t("done.trash", { count: keys.length }));
  }

  /** Puts in what the prompt does not have yet. */
  insert() {
    const { t, prompts, library, tell, use } = this.context;
    const names = new Set(readTags(prompts.text).flatMap(({ name }) => library.nameIndex().find(name)));
    const fresh = this.rows().filter((row) => (
      !names.has(row) && row.status === "ok" && canBeWritten(row.shortName)));
    if (prompts.box) {
      fresh.forEach(use);
    }
    tell(prompts.box ? t("done.insert", { count: fresh.length }) : t("insert.no_prompt"));
  }

  /**
   * Delete throws away, F2 renames: what is chosen, else the card that has the focus.
   * @param {KeyboardEvent} event
   * @param {Row | undefined} focused
   * @returns {boolean} whether the key was one of these
   */
  pressed(event, focused) {
    const { selection, library } = this.context;
    if (!["Delete", "F2"].includes(event.key) || library.status.locked) {
      return false;
    }
    if (!selection.keys.size && focused) {
      selection.set([focused.key], focused.key);
    }
    const { size } = selection.keys;
    if (size && event.key === "Delete") {
      void this.trash();
    } else if (size === 1) {
      this.askName();
    }
    event.preventDefault();
    return true;
  }
}

/**
 * @param {Context} context
 * @param {readonly number[]} keys
 * @param {import("../model/places.js").Place} place
 */
export function movedSentence({ t, library }, keys, place) {
  const folder = folderPath(pathOf(place), library.status.roots);
  return t("done.move", { count: keys.length, folder });
}
