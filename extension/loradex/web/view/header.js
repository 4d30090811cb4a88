// The search box, the chips with their counts, the order and the form of the list.

/** @import {Choice, Context, Row} from "../model/types.js" */
import { counted, filterCount, NO_FILTERS } from "../model/filter.js";
import { NotesSearch } from "../model/notes_search.js";
import { SORTS } from "../model/order.js";
import { familyTitle, typeTitle } from "../model/titles.js";
import { later, make, setText } from "./dom.js";
import { icon } from "./icons.js";
import { SavedMenu } from "./saved_menu.js";
import { viewMenu } from "./view_menu.js";

const COUNTS_AFTER_MS = 120;
const NOTES_AFTER_MS = 300;
/** Tags that are offered; any other one can be searched for. */
const MOST_TAGS = 12;

export class Header {
  /** @param {Context} context */
  constructor(context) {
    const { t, view, library, fail } = context;
    this.t = t;
    this.status = () => library.status;
    this.choice = () => view.choice;
    this.changed = (/** @type {Partial<Choice>} */ changes) => view.change(changes);
    const notes = new NotesSearch(context);
    const askNotes = later(() => notes.ask().catch(fail), NOTES_AFTER_MS);
    this.search = make("input", {
      type: "search", class: "search", placeholder: t("search.hint"), "aria-label": t("search.label"),
      autocomplete: "off", spellcheck: "false", oninput: () => {
        this.changed({ text: this.search.value });
        askNotes();
      },
    });
    this.count = make("span", { class: "count", role: "status" });
    this.chips = make("div", { class: "chips", role: "group", "aria-label": t("filter.label") });
    this.element = make("header", { class: "header" }, [
      make("div", { class: "bar" }, [this.treeButton(), this.search, this.count, ...this.controls(context)]), this.chips,
    ]);
    /** @type {(rows: readonly Row[]) => void} */
    this.showCounts = later((rows) => this.drawChips(rows), COUNTS_AFTER_MS);
  }

  /** On a narrow page the folders are a drawer. */
  treeButton() {
    const label = this.t("tree.open");
    return make("button", {
      type: "button", class: "icon-button tree-button", title: label, "aria-label": label,
      onclick: () => this.element.closest(".manager")?.classList.toggle("tree-open"),
    }, [icon("folder")]);
  }

  /** @param {Context} context */
  controls(context) {
    const { t, changed } = this;
    const sort = make("select", {
      "aria-label": t("sort.label"), onchange: () => changed({ sort: sort.value }),
    }, SORTS.map((name) => make("option", {
      value: name, text: t(`sort.${name}`), selected: name === this.choice().sort })));
    this.sort = sort;
    /** @type {Map<string, HTMLElement>} */
    this.toggles = new Map();
    return [
      sort, this.toggle("descending", "way", "sort.descending"), this.toggle("list", "list", "list.label"),
      this.toggle("hideUnfit", "no_effect", "hide.label"), viewMenu(context, changed),
      new SavedMenu(context, () => this.follow()).element,
    ];
  }

  /** Shows what was chosen elsewhere: by a column of the list, by a saved filter. */
  follow() {
    const choice = this.choice();
    if (this.sort) {
      this.sort.value = choice.sort;
    }
    if (this.search.value !== choice.text) {
      this.search.value = choice.text;
    }
    this.toggles?.forEach((button, field) => button.setAttribute(
      "aria-pressed", String(choice[/** @type {"list"} */ (field)])));
  }

  /**
   * @param {"descending" | "list" | "hideUnfit"} field
   * @param {string} picture
   * @param {string} word
   */
  toggle(field, picture, word) {
    const label = this.t(word);
    const button = make("button", {
      type: "button", class: "icon-button", title: label, "aria-label": label,
      "aria-pressed": String(this.choice()[field]), onclick: () => this.changed({ [field]: !this.choice()[field] }),
    }, [icon(picture)]);
    this.toggles?.set(field, button);
    return button;
  }

  /**
   * @param {number} shown
   * @param {number} all
   */
  showTotal(shown, all) {
    setText(this.count, this.t("count", { shown, count: all }));
  }

  /** @param {readonly Row[]} rows */
  drawChips(rows) {
    const choice = this.choice();
    const counts = counted(rows, choice);
    const chips = [
      ...filterCount(choice) ? [this.clearButton()] : [],
      ...this.sets(counts.verdicts, "verdicts", (value) => this.t(`verdict.${value}`)),
      ...this.flags(counts), ...this.sets(counts.families, "families", this.familyName),
      ...this.sets(counts.types, "types", (value) => (value === "unknown" ? this.t("type.unknown") : typeTitle(value))),
      ...this.sets(counts.tags, "tags", (value) => value)
        .filter((chip, place) => place < MOST_TAGS || chip.getAttribute("aria-pressed") === "true"),
    ];
    const focused = /** @type {ShadowRoot} */ (this.chips.getRootNode()).activeElement;
    const kept = focused?.getAttribute("data-chip");
    this.chips.replaceChildren(...chips);
    chips.find((chip) => kept && chip.dataset.chip === kept)?.focus();
  }

  familyName = (/** @type {string} */ value) => (
    value === "unknown" ? this.t("family.unknown") : familyTitle(this.status(), value));

  clearButton() {
    const { text, folder, ...filters } = NO_FILTERS;
    return make("button", { type: "button", class: "chip filter clear", "data-chip": "clear", onclick: () => this.changed(filters) },
      [icon("close"), this.t("filter.clear")]);
  }

  /**
   * @param {Map<string, number>} counts
   * @param {"families" | "types" | "verdicts" | "tags"} field
   * @param {(value: string) => string} nameOf
   */
  sets(counts, field, nameOf) {
    const chosen = this.choice()[field];
    const values = new Set([...counts.keys(), ...chosen]);
    return [...values].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0)).map((value) => (
      this.chip(`${field}:${value}`, nameOf(value), counts.get(value) ?? 0, chosen.has(value), () => {
        const next = new Set(this.choice()[field]);
        if (!next.delete(value)) {
          next.add(value);
        }
        this.changed({ [field]: next });
      })));
  }

  /** @param {Record<"faults" | "favourites", Map<string, number>>} counts */
  flags(counts) {
    return /** @type {const} */ (["favourites", "faults"])
      .filter((field) => counts[field].size || this.choice()[field])
      .map((field) => this.chip(field, this.t(`filter.${field}`), counts[field].get(field) ?? 0,
        this.choice()[field], () => this.changed({ [field]: !this.choice()[field] })));
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {number} count
   * @param {boolean} on
   * @param {() => void} onclick
   */
  chip(id, name, count, on, onclick) {
    return make("button", {
      type: "button", class: "chip filter", "data-chip": id, "aria-pressed": String(on), onclick,
    }, [name, make("span", { class: "number", text: this.t("number", { value: count }) })]);
  }
}
