// What the user says of a file: notes, tags, rating, strength, description and base model.

/** @import {Context} from "../../model/types.js" */
import { splitTags } from "../../model/tagging.js";
import { make, setAttribute, setText } from "../dom.js";
import { icon } from "../icons.js";
import { Field, write } from "./field.js";
import { lock, section } from "./part.js";

const STARS = 5;
/** The rating goes to 10, as AddNet's did. */
const PER_STAR = 2;

export class Own {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    this.family = make("select", { class: "field" });
    this.fields = this.makeFields();
    this.rating = new Rating(context);
    this.element = section(t("panel.own"), [this.rating.element, ...this.fields.map((field) => field.element)]);
  }

  makeFields() {
    const { t } = this.context;
    const number = (/** @type {string} */ text) => (text.trim() === "" ? null : Number(text));
    return [
      this.field("notes", make("textarea", { rows: "3", class: "field" }), (text) => text),
      this.field("tags", make("input", { class: "field", autocomplete: "off" }), splitTags, (tags) => (tags ?? []).join(", ")),
      this.field("preferred_strength", make("input", { class: "field", type: "number", step: "any" }), number),
      this.field("description", make("textarea", { rows: "4", class: "field" }), (text) => text),
      new Field(this.context, {
        name: "family", label: t("fact.family"), input: this.family, read: (text) => text || null,
        shown: (details) => (details.confidence === "user" ? details.family : ""),
      }),
    ];
  }

  /**
   * @param {string} name
   * @param {import("./field.js").Input} input
   * @param {(text: string) => unknown} read
   * @param {(value: any) => string} shown
   */
  field(name, input, read, shown = (value) => String(value ?? "")) {
    input.dir = "auto";
    return new Field(this.context, {
      name, input, read, label: this.context.t(`field.${name}`), shown: (details) => shown(details[name]),
    });
  }

  /** @param {import("./part.js").Shown} shown */
  show(shown) {
    this.fillFamilies(shown.details);
    this.rating.show(shown);
    this.fields.forEach((field) => field.show(shown));
    lock(this.context, [...this.fields.map((field) => field.form.input), ...this.rating.buttons]);
  }

  /** @param {any} details */
  fillFamilies(details) {
    const { t, library } = this.context;
    const families = Object.entries(library.status.families ?? {});
    const found = details.confidence === "user" ? "" : families.find(([key]) => key === details.family)?.[1];
    const first = found ? t("family.found.as", { family: String(found) }) : t("family.found");
    if (this.family.options.length !== families.length + 1) {
      this.family.replaceChildren(make("option", { value: "" }),
        ...families.map(([value, title]) => make("option", { value, text: String(title) })));
    }
    setText(this.family.options[0], first);
  }

  commit() {
    this.fields.forEach((field) => void field.commit());
  }
}

class Rating {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    /** @type {import("./part.js").Shown | null} */
    this.shown = null;
    this.text = make("span", { class: "hint" });
    this.buttons = Array.from({ length: STARS }, (_, place) => {
      const value = (place + 1) * PER_STAR;
      return make("button", {
        type: "button", class: "rating-star", "aria-label": t("rating.give", { value }), onclick: () => void this.give(value),
      }, [icon("star")]);
    });
    this.element = make("div", { class: "rating", role: "group", "aria-label": t("field.rating") }, [
      make("span", { class: "label", text: t("field.rating") }), make("span", { class: "stars" }, this.buttons), this.text]);
  }

  /** @param {import("./part.js").Shown} shown */
  show(shown) {
    this.shown = shown;
    const { rating } = shown.details;
    this.buttons.forEach((button, place) => {
      const value = (place + 1) * PER_STAR;
      setAttribute(button, "aria-pressed", String(value === rating));
      button.classList.toggle("lit", rating !== null && value <= rating + 1);
    });
    setText(this.text, rating === null ? this.context.t("rating.none") : this.context.t("rating.of", { value: rating }));
  }

  /**
   * The same star again takes the rating away.
   * @param {number} value
   */
  async give(value) {
    const { t, fail } = this.context;
    if (!this.shown) {
      return;
    }
    const { row, details } = this.shown;
    try {
      const rating = details.rating === value ? null : value;
      const after = await write(this.context, row, { rating }, t("field.rating"));
      if (this.shown?.row.key === row.key) {
        this.show({ row, details: after });
      }
    } catch (problem) {
      fail(problem);
    }
  }
}
