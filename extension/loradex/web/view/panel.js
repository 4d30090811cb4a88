// The details of one LoRA: what it is, whether it fits and why, and what the user wrote about it.

/** @import {Context, Row} from "../model/types.js" */
import { networkPath } from "../model/api.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";

const PICTURE_SIZE = 640;
const HASHES = ["sha256", "tensor_sha256"];

/** Event: `close`, when the user closes it. */
export class Panel extends EventTarget {
  /** @param {Context} context */
  constructor(context) {
    super();
    const { t } = context;
    this.context = context;
    this.t = t;
    /** @type {Row | null} */
    this.row = null;
    this.body = make("div", { class: "panel-body" });
    this.title = make("h2", { tabindex: "-1", dir: "auto" });
    this.element = make("aside", { class: "panel", "aria-label": t("panel.label"), hidden: true }, [
      make("div", { class: "panel-head" }, [this.title, make("button", {
        type: "button", class: "icon-button", "aria-label": t("panel.close"),
        onclick: () => this.dispatchEvent(new Event("close")),
      }, [icon("close")])]), this.body,
    ]);
  }

  /** @param {Row} row */
  async open(row) {
    this.row = row;
    this.element.hidden = false;
    this.title.textContent = row.title || row.name;
    this.body.replaceChildren(...this.head(row));
    this.title.focus({ preventScroll: true });
    try {
      const details = await this.context.api.get(networkPath(row.id), { root: row.root });
      if (this.row === row) {
        this.body.append(...this.sections(row, details));
      }
    } catch (error) {
      this.body.append(make("p", { class: "problem", role: "alert", text: String(
        error instanceof Error ? error.message : error) }));
    }
  }

  close() {
    this.row = null;
    this.element.hidden = true;
  }

  /** @param {Row} row */
  head(row) {
    const use = make("button", {
      type: "button", class: "primary", text: this.t("panel.use"), onclick: () => this.context.use(row),
    });
    const picture = row.preview
      ? make("img", { class: "big", src: this.context.api.preview(row, PICTURE_SIZE), alt: this.t("panel.preview") })
      : null;
    return [use, picture].filter((one) => one !== null);
  }

  /**
   * @param {Row} row
   * @param {any} details
   */
  sections(row, details) {
    return [
      this.fault(details), this.words(row), this.verdict(details.check),
      this.text("panel.description", details.description), this.own(row, details),
      this.facts(row, details), this.metadata(details.metadata ?? {}),
    ].filter((one) => one !== null);
  }

  /**
   * @param {string} title
   * @param {readonly Node[]} children
   */
  section(title, children) {
    return make("section", {}, [make("h3", { text: this.t(title) }), ...children]);
  }

  /** @param {any} details */
  fault({ message, next_step: nextStep }) {
    return message ? make("section", { class: "problem", role: "note" }, [
      make("p", { text: message, dir: "auto" }), make("p", { class: "next", text: nextStep ?? "" }),
    ]) : null;
  }

  /** @param {Row} row */
  words(row) {
    return row.words.length ? this.section("panel.words", [make("div", { class: "chips" },
      row.words.map((word) => make("button", {
        type: "button", class: "chip filter", text: word, dir: "auto",
        onclick: () => this.context.prompts.add(word),
      })))]) : null;
  }

  /** @param {any} check */
  verdict(check) {
    if (!check) {
      return null;
    }
    const parts = Object.entries(check.components).map(([name, part]) => make("li", {
      text: this.t("panel.part", { name, done: part.shape_ok, of: part.named }) }));
    return this.section("panel.verdict", [
      make("span", { class: "badge", "data-verdict": check.verdict }, [
        icon(check.verdict), this.t(`verdict.${check.verdict}`)]),
      make("ul", {}, [...check.reasons.map((/** @type {string} */ text) => make("li", { text })),
        ...parts]),
    ]);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  text(title, text) {
    return text ? this.section(title, [make("p", { class: "long", text, dir: "auto" })]) : null;
  }

  /**
   * What only the user knows; written when a field is left.
   * @param {Row} row
   * @param {any} details
   */
  own(row, details) {
    const notes = make("textarea", {
      rows: "3", "aria-label": this.t("panel.notes"), dir: "auto",
      onchange: () => this.edit(row, { notes: notes.value }),
    });
    notes.value = details.notes ?? "";
    const tags = make("input", {
      type: "text", "aria-label": this.t("panel.tags"), value: row.tags.join(", "),
      onchange: () => this.edit(row, {
        tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean) }),
    });
    const rating = make("input", {
      type: "number", min: "0", max: "10", "aria-label": this.t("panel.rating"),
      value: Number.isNaN(row.rating) ? "" : row.rating,
      onchange: () => this.edit(row, { rating: rating.value === "" ? null : Number(rating.value) }),
    });
    return this.section("panel.own", [make("div", { class: "fields" }, [
      ...this.field("panel.notes", notes), ...this.field("panel.tags", tags),
      ...this.field("panel.rating", rating)])]);
  }

  /**
   * @param {string} name
   * @param {HTMLElement} input
   */
  field(name, input) {
    return [make("span", { text: this.t(name) }), input];
  }

  /**
   * @param {Row} row
   * @param {any} details
   */
  facts(row, details) {
    const facts = {
      "fact.file": row.id, "fact.family": row.family || this.t("family.unknown"),
      "fact.types": row.types.join(", "), "fact.rank": row.rank || "",
      "fact.size": this.t("megabytes", { value: Math.round(row.size / 1e5) / 10 }),
      "fact.strength": Number.isNaN(row.strength) ? "" : row.strength,
      "fact.evidence": (details.evidence ?? []).join("\n"),
      ...Object.fromEntries(HASHES.map((name) => [`fact.${name}`, details[name] ?? ""])),
    };
    return this.section("panel.facts", [list(Object.entries(facts)
      .filter(([, value]) => value !== "").map(([name, value]) => [this.t(name), String(value)]))]);
  }

  /** @param {Record<string, string>} metadata */
  metadata(metadata) {
    const entries = Object.entries(metadata);
    return entries.length ? make("details", {}, [
      make("summary", { text: this.t("panel.metadata", { count: entries.length }) }), list(entries),
    ]) : null;
  }

  /**
   * @param {Row} row
   * @param {Record<string, unknown>} changes
   */
  edit(row, changes) {
    this.context.library.edit(row, changes).catch(this.context.fail);
  }
}

/** @param {readonly (readonly [string, string])[]} pairs */
function list(pairs) {
  return make("dl", {}, pairs.flatMap(([name, value]) => [
    make("dt", { text: name, dir: "auto" }), make("dd", { text: value, dir: "auto" })]));
}
