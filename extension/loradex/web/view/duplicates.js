// The view of files that are there twice: side by side, one stays and the others can go.

/** @import {Group} from "../model/doubles.js" */
/** @import {Context, Row} from "../model/types.js" */
import { openGroups, membersOf, SAME, spare } from "../model/doubles.js";
import { tryOut } from "../model/operations.js";
import { sizeText } from "../model/sizes.js";
import { later, make } from "./dom.js";
import { icon } from "./icons.js";
import { Sheet } from "./sheet.js";

const AGAIN_AFTER_MS = 400;
const PICTURE_SIZE = 160;
/** A library that is there twice has thousands; the largest come first. */
const MOST = 100;

export class Duplicates {
  /** @param {Context} context */
  constructor(context) {
    const { t, library } = context;
    this.context = context;
    this.sheet = new Sheet(t, { name: t("doubles.title"), picture: "copies" });
    /** @type {{groups: readonly Group[], complete: boolean} | null} */
    this.found = null;
    this.dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
    this.again = later(() => void this.load(), AGAIN_AFTER_MS);
    this.sheet.addEventListener("open", () => void this.load());
    library.addEventListener("rows", () => this.sheet.isOpen && this.again());
    library.addEventListener("progress", () => this.sheet.isOpen && this.again());
  }

  async load() {
    const { api, fail, t } = this.context;
    if (!this.found) {
      this.sheet.say(t("loading"));
    }
    try {
      this.found = await api.get("duplicates");
      this.sheet.redraw(() => this.draw());
    } catch (problem) {
      fail(problem);
    }
  }

  draw() {
    const { t, library } = this.context;
    const { groups, complete } = this.found ?? { groups: [], complete: true };
    const open = openGroups(groups, library.byKey);
    const { done = 0, total = 0, paused = false } = library.status.hashing ?? {};
    const words = paused ? "doubles.paused" : "doubles.looking";
    this.sheet.body.replaceChildren(
      ...(complete ? [] : [make("p", { class: "sheet-note", role: "status", text: t(words, { done, total }) })]),
      ...(open.length ? [this.head(groups)] : [make("p", { class: "sheet-empty", text: t("doubles.empty") })]),
      ...open.slice(0, MOST).map((group) => this.group(group)),
      ...(open.length > MOST ? [make("p", { class: "hint", text: t("doubles.more", { count: open.length - MOST }) })] : []),
    );
  }

  /** @param {readonly Group[]} groups */
  head(groups) {
    const { t, library } = this.context;
    const gone = spare(groups, library.byKey);
    const bytes = groups.reduce((sum, group) => sum + (SAME.has(group.kind) ? group.bytes : 0), 0);
    return make("div", { class: "kind-tools" }, [
      make("p", { class: "hint", text: t("doubles.gain", { size: sizeText(t, bytes) }) }),
      ...(gone.length ? [this.button(t("doubles.all", { count: gone.length }), gone)] : []),
    ]);
  }

  /** @param {Group} group */
  group(group) {
    const { t, library } = this.context;
    const rows = membersOf(group, library.byKey);
    return make("section", { class: "double" }, [
      make("h3", { text: t(`doubles.${group.kind}`) }),
      make("div", { class: "double-files" }, rows.map((row) => this.file(row, group, rows))),
    ]);
  }

  /**
   * @param {Row} row
   * @param {Group} group
   * @param {readonly Row[]} rows
   */
  file(row, group, rows) {
    const { t, api, open } = this.context;
    const others = rows.filter((one) => one !== row).map((one) => one.key);
    const best = row.key === group.keep && SAME.has(group.kind);
    const label = `${t("doubles.choose")}: ${row.id}`; // begins as it is read, for who speaks to the page
    return make("article", { class: best ? "double-file best" : "double-file" }, [
      row.preview ? make("img", { src: api.preview(row, PICTURE_SIZE), alt: "", loading: "lazy" }) : make("div", { class: "no-picture" }, [icon("copies")]),
      make("button", { type: "button", class: "link", text: row.name, dir: "auto", title: row.id, onclick: () => open(row) }),
      make("p", { class: "hint", text: row.folder || t("doubles.top"), dir: "auto" }),
      make("p", { class: "hint", text: `${sizeText(t, row.size)} · ${this.dates.format(row.modified)}` }),
      make("p", { class: "hint", text: this.worth(row) }),
      best ? make("p", { class: "best-word" }, [icon("fits"), t("doubles.best")]) : null,
      this.button(t("doubles.choose"), others, label),
    ]);
  }

  /**
   * What would be lost with it.
   * @param {Row} row
   */
  worth(row) {
    const { t } = this.context;
    const has = /** @type {[boolean, string][]} */ ([
      [row.favourite, "filter.favourites"], [row.hasNotes, "panel.notes"], [row.tags.length > 0, "doubles.tags"],
      [row.preview !== "", "panel.preview"], [row.rating > 0, "sort.rating"]]);
    return has.filter(([there]) => there).map(([, word]) => t(word)).join(" · ") || t("doubles.bare");
  }

  /**
   * @param {string} text
   * @param {readonly number[]} keys what goes
   * @param {string} [label]
   */
  button(text, keys, label = text) {
    const { locked } = this.context.library.status;
    return make("button", {
      type: "button", class: "plain-button", text, "aria-label": label, disabled: Boolean(locked), title: locked || null,
      onclick: () => void tryOut(this.context, { action: "trash", keys }, this.context.t("done.trash", { count: keys.length })),
    });
  }
}
