// One card or line of the list: made once, then filled with row after row while the grid scrolls.

/** @import {Applied, Context, Row} from "../model/types.js" */
/** @import {Translate} from "../model/i18n.js" */
import { fitRank } from "../model/order.js";
import { sizeText } from "../model/sizes.js";
import { familyTitle, kindText } from "../model/titles.js";
import { make, setAttribute, setText } from "./dom.js";
import { icon, setIcon } from "./icons.js";

const HUES = 360;

/**
 * @typedef {object} Shown
 * @property {Context} context
 * @property {Map<string, Applied>} applied
 * @property {ReadonlySet<number>} used keys of the rows in the prompt
 * @property {boolean} hold leave pictures out while the list flies past
 * @property {number} pictureSize
 * @property {boolean} list
 * @property {number} blur lowest level whose pictures are blurred; 0 is none
 */

export class Card {
  constructor() {
    this.image = make("img", { alt: "", draggable: "false", decoding: "async" });
    this.placeholder = make("span", { class: "placeholder", "aria-hidden": "true" });
    this.motion = icon("play");
    this.report = make("span", { class: "report" });
    this.check = button("check", "check");
    this.star = button("star", "star");
    this.info = button("info", "info");
    this.picture = make("div", { class: "picture" }, [this.placeholder, this.image, this.motion]);
    this.name = make("span", { class: "name", dir: "auto" });
    this.family = make("span", { class: "family" });
    this.kind = make("span", { class: "kind" });
    this.badgeIcon = icon("unknown");
    this.badgeWord = make("span");
    this.badge = make("span", { class: "badge" }, [this.badgeIcon, this.badgeWord]);
    this.words = make("span", { class: "words", dir: "auto" });
    this.size = make("span", { class: "size" });
    this.changed = make("span", { class: "changed" });
    this.rating = make("span", { class: "rating" });
    this.cells = [
      make("div", { class: "front" }, [this.picture, this.check]), this.name, this.family, this.kind,
      make("div", { class: "state" }, [this.badge, this.words, this.report]), this.size, this.changed, this.rating,
      make("div", { class: "tools" }, [this.star, this.info]),
    ];
    this.element = make("div", { class: "card", draggable: "true" }, this.cells);
    /** @type {Row | null} */
    this.row = null;
    this.image.addEventListener("load", () => this.image.classList.add("there"));
    this.image.addEventListener("error", () => this.image.removeAttribute("src"));
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fill(row, shown) {
    const { t, library: { status } } = shown.context;
    this.row = row;
    const title = row.label;
    setText(this.name, title);
    setText(this.family, row.family ? familyTitle(status, row.family) : t("family.unknown"));
    setText(this.kind, kindText(row));
    this.element.classList.toggle("dimmed", fitRank(row) > 0);
    this.element.classList.toggle("used", shown.used.has(row.key));
    setAttribute(this.element, "title", this.tooltip(row, shown.context));
    this.fillState(row, shown);
    this.fillRating(row, t);
    setAttribute(this.star, "aria-pressed", String(row.favourite));
    setAttribute(this.star, "aria-label", t("card.favourite", { name: title }));
    setAttribute(this.info, "aria-label", t("card.details", { name: title }));
    setAttribute(this.check, "aria-label", t("card.choose", { name: title }));
    this.fillColumns(row, shown);
    this.fillPicture(row, shown);
  }

  /**
   * Where the card is and what it is there: a cell of a line, or a line of cells.
   * @param {number} line
   * @param {number} column
   * @param {boolean} list
   */
  place(line, column, list) {
    setAttribute(this.element, "role", list ? "row" : "gridcell");
    setAttribute(this.element, "aria-rowindex", list ? line + 2 : null); // the first is the head
    setAttribute(this.element, "aria-colindex", list ? null : column + 1);
    this.cells.forEach((cell) => setAttribute(cell, "role", list ? "gridcell" : null));
  }

  /**
   * The whole name, and why it is dimmed.
   * @param {Row} row
   * @param {Context} context
   */
  tooltip(row, { t, library: { status } }) {
    const lines = row.title && row.title !== row.name ? [row.title, row.id] : [row.id];
    if (row.fault) {
      lines.push(t("card.why.fault", { status: t(`status.${row.status}`) }));
    } else if (row.verdict === "no_effect") {
      lines.push(t("card.why.no_effect", {
        family: row.family ? familyTitle(status, row.family) : t("family.unknown"),
        checkpoint: status.checkpoint?.title || status.checkpoint?.name || "" }));
    }
    if (row.presence === "offline") {
      lines.push(t("card.why.offline"));
    }
    return lines.join("\n");
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fillState(row, { context: { t }, applied }) {
    const answer = row.fault && row.status !== "ok" ? "broken" : row.verdict;
    this.badge.hidden = !answer && !row.fault;
    setAttribute(this.badge, "data-verdict", answer || "partly");
    setIcon(this.badgeIcon, answer || "broken");
    const word = answer && answer !== "broken" ? t(`verdict.${answer}`) : t(`status.${row.status}`);
    setText(this.badgeWord, row.fault && row.status === "ok" ? `${word} · ${t("card.fault")}` : word);
    setText(this.words, row.words[0] ?? "");
    const report = applied.get(row.id);
    this.report.hidden = !report;
    setAttribute(this.report, "data-all", Boolean(report && report.applied === report.total));
    setText(this.report, report ? t("card.applied", { done: report.applied, of: report.total }) : "");
    setAttribute(this.report, "title", report ? t("card.applied.long", { done: report.applied, of: report.total }) : null);
  }

  /**
   * @param {Row} row
   * @param {Translate} t
   */
  fillRating({ rating }, t) {
    const value = Number.isNaN(rating) ? "" : t("number", { value: rating });
    setText(this.rating, value && `★ ${value}`);
    setAttribute(this.rating, "title", value && t("card.rating", { value }));
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fillColumns(row, { context: { t }, list }) {
    setText(this.size, list ? sizeText(t, row.size) : "");
    setText(this.changed, list && row.modified ? day(row.modified) : "");
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fillPicture(row, { context, hold, pictureSize, blur }) {
    const wanted = row.preview ? context.api.preview(row, pictureSize) : "";
    if (this.image.getAttribute("src") !== wanted) {
      this.image.classList.remove("there");
      this.image.removeAttribute("src");
      if (wanted && !hold) {
        this.image.setAttribute("src", wanted);
      }
    }
    const veiled = blur > 0 && row.nsfw >= blur;
    this.picture.classList.toggle("veiled", veiled && Boolean(wanted));
    setAttribute(this.picture, "data-veil", veiled ? context.t("card.veiled") : null);
    setAttribute(this.motion, "data-moves", row.media === "video" || row.media === "animated");
    setText(this.placeholder, (row.label).trim().slice(0, 2));
    this.element.style.setProperty("--hue", String(hueOf(row.family)));
  }
}

const days = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

/** @param {number} when */
const day = (when) => days.format(when);

/**
 * Reached with the grid's own keys, so the tab key passes it.
 * @param {string} name
 * @param {string} picture
 */
function button(name, picture) {
  return make("button", { class: name, type: "button", tabindex: "-1", "data-do": name }, [icon(picture)]);
}

/**
 * The same colour for the same family.
 * @param {string} text
 */
function hueOf(text) {
  let hash = 0;
  for (const letter of text) {
    hash = (hash * 31 + letter.charCodeAt(0)) % HUES;
  }
  return hash;
}
