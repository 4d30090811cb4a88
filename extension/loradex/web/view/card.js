// One card: made once, then filled with row after row while the grid scrolls.

/** @import {Applied, Context, Row} from "../model/types.js" */
/** @import {Translate} from "../model/i18n.js" */
import { fitRank } from "../model/order.js";
import { make, setAttribute, setText } from "./dom.js";
import { icon, setIcon } from "./icons.js";

const PICTURE_SIZE = 320;
const HUES = 360;

/**
 * @typedef {object} Shown
 * @property {Context} context
 * @property {Map<string, Applied>} applied
 * @property {ReadonlySet<number>} used keys of the rows in the prompt
 * @property {boolean} hold leave pictures out while the list flies past
 */

export class Card {
  constructor() {
    this.picture = make("img", { alt: "", draggable: "false", decoding: "async" });
    this.placeholder = make("span", { class: "placeholder", "aria-hidden": "true" });
    this.badgeIcon = icon("unknown");
    this.badgeWord = make("span");
    this.badge = make("span", { class: "badge" }, [this.badgeIcon, this.badgeWord]);
    this.star = make("button", { class: "star", type: "button", tabindex: "-1", "data-do": "star" },
      [icon("star")]);
    this.info = make("button", { class: "info", type: "button", tabindex: "-1", "data-do": "info" },
      [icon("info")]);
    this.name = make("span", { class: "name", dir: "auto" });
    this.family = make("span", { class: "chip family" });
    this.type = make("span", { class: "chip type" });
    this.report = make("span", { class: "report" });
    this.element = make("div", { class: "card", role: "gridcell", draggable: "true" }, [
      make("div", { class: "picture" }, [this.placeholder, this.picture]),
      this.star, this.info,
      make("div", { class: "caption" }, [
        this.name, make("div", { class: "facts" }, [this.family, this.type, this.report]),
        this.badge,
      ]),
    ]);
    /** @type {Row | null} */
    this.row = null;
    this.picture.addEventListener("load", () => this.picture.classList.add("there"));
    this.picture.addEventListener("error", () => this.picture.removeAttribute("src"));
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fill(row, shown) {
    const { t } = shown.context;
    this.row = row;
    const title = row.title || row.name;
    setText(this.name, title);
    setAttribute(this.element, "title", title === row.name ? row.id : `${title}\n${row.id}`);
    setText(this.family, row.family || t("family.unknown"));
    setText(this.type, row.types[0] ?? "");
    this.type.hidden = !row.types.length;
    const unusable = fitRank(row) > 0;
    this.element.classList.toggle("dimmed", unusable);
    this.element.classList.toggle("used", shown.used.has(row.key));
    this.fillBadge(row, t);
    this.fillReport(shown.applied.get(row.id), t);
    setAttribute(this.star, "aria-pressed", String(row.favourite));
    setAttribute(this.star, "aria-label", t("card.favourite", { name: title }));
    setAttribute(this.info, "aria-label", t("card.details", { name: title }));
    this.fillPicture(row, shown);
  }

  /**
   * @param {Row} row
   * @param {Translate} t
   */
  fillBadge(row, t) {
    const answer = row.fault && row.status !== "ok" ? "broken" : row.verdict;
    this.badge.hidden = !answer && !row.fault;
    setAttribute(this.badge, "data-verdict", answer || "partly");
    setIcon(this.badgeIcon, answer || "broken");
    const word = answer && answer !== "broken" ? t(`verdict.${answer}`) : t(`status.${row.status}`);
    setText(this.badgeWord, row.fault && row.status === "ok" ? `${word} · ${t("card.fault")}` : word);
  }

  /**
   * @param {Applied | undefined} report
   * @param {Translate} t
   */
  fillReport(report, t) {
    this.report.hidden = !report;
    setText(this.report, report ? t("card.applied", { done: report.applied, of: report.total }) : "");
  }

  /**
   * @param {Row} row
   * @param {Shown} shown
   */
  fillPicture(row, { context, hold }) {
    const wanted = row.preview ? context.api.preview(row, PICTURE_SIZE) : "";
    if (this.picture.getAttribute("src") !== wanted) {
      this.picture.classList.remove("there");
      this.picture.removeAttribute("src");
      if (wanted && !hold) {
        this.picture.setAttribute("src", wanted);
      }
    }
    const initials = (row.title || row.name).trim().slice(0, 2);
    setText(this.placeholder, initials);
    this.element.style.setProperty("--hue", String(hueOf(row.family)));
  }
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
