// The search box, the chips with their counts, the order and the form of the list.

/** @import {Choice, Context, Row} from "../model/types.js" */
import { counted } from "../model/filter.js";
import { SORTS } from "../model/order.js";
import { later, make, setText } from "./dom.js";
import { icon } from "./icons.js";

const COUNTS_AFTER_MS = 120;

export class Header {
  /** @param {Context} context */
  constructor({ t, view }) {
    this.t = t;
    this.choice = () => view.choice;
    this.changed = (/** @type {Partial<Choice>} */ changes) => view.change(changes);
    this.search = make("input", {
      type: "search", class: "search", placeholder: t("search.hint"), "aria-label": t("search.label"),
      autocomplete: "off", spellcheck: "false", oninput: () => this.changed({ text: this.search.value }),
    });
    this.count = make("span", { class: "count", role: "status" });
    this.chips = make("div", { class: "chips", role: "group", "aria-label": t("filter.label") });
    this.element = make("header", { class: "header" }, [
      make("div", { class: "bar" }, [this.search, this.count, ...this.controls()]), this.chips,
    ]);
    /** @type {(rows: readonly Row[]) => void} */
    this.showCounts = later((rows) => this.drawChips(rows), COUNTS_AFTER_MS);
  }

  controls() {
    const { t, changed } = this;
    const sort = make("select", {
      "aria-label": t("sort.label"), onchange: () => changed({ sort: sort.value }),
    }, SORTS.map((name) => make("option", {
      value: name, text: t(`sort.${name}`), selected: name === this.choice().sort })));
    const size = make("input", {
      type: "range", min: "120", max: "360", step: "10", value: this.choice().size,
      "aria-label": t("size.label"), oninput: () => changed({ size: Number(size.value) }),
    });
    return [
      sort, this.toggle("descending", "way", "sort.descending"), size,
      this.toggle("list", "list", "list.label"),
      this.toggle("hideUnfit", "no_effect", "hide.label"),
    ];
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
      "aria-pressed": String(this.choice()[field]), onclick: () => {
        const on = !this.choice()[field];
        button.setAttribute("aria-pressed", String(on));
        this.changed({ [field]: on });
      },
    }, [icon(picture)]);
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
      ...this.sets(counts.verdicts, "verdicts", (value) => this.t(`verdict.${value}`)),
      ...this.flags(counts), ...this.sets(counts.families, "families", this.familyName),
      ...this.sets(counts.types, "types", (value) => value),
    ];
    const focused = /** @type {ShadowRoot} */ (this.chips.getRootNode()).activeElement;
    const kept = focused?.getAttribute("data-chip");
    this.chips.replaceChildren(...chips);
    chips.find((chip) => kept && chip.dataset.chip === kept)?.focus();
  }

  familyName = (/** @type {string} */ value) => (
    value === "unknown" ? this.t("family.unknown") : value);

  /**
   * @param {Map<string, number>} counts
   * @param {"families" | "types" | "verdicts"} field
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
