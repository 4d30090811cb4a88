// What is done with one LoRA: into the prompt with two strengths, favourite, rename, move, trash.

/** @import {Context, Row} from "../../model/types.js" */
import { carryOut, tryOut } from "../../model/operations.js";
import { pathOf } from "../../model/places.js";
import { canBeWritten, inserted, readTags } from "../../model/prompt.js";
import { strengthsOf, tagOf, withStrengths } from "../../model/strengths.js";
import { make, setText } from "../dom.js";
import { pickFolder } from "../folder_picker.js";
import { icon } from "../icons.js";
import { askName } from "../rename_dialog.js";
import { movedSentence } from "../selection_bar.js";
import { lock } from "./part.js";

export class Insert {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    /** @type {Row | null} */
    this.row = null;
    this.unet = this.number();
    this.te = this.number();
    this.go = make("button", { type: "button", class: "primary", onclick: () => this.pressed() });
    this.why = make("p", { class: "hint" });
    this.element = make("div", { class: "insert", role: "group", "aria-label": t("panel.use") }, [
      make("label", { class: "stacked" }, [make("span", { text: t("strength.unet") }), this.unet]),
      make("label", { class: "stacked" }, [make("span", { text: t("strength.te") }), this.te]), this.go, this.why]);
  }

  number() {
    return make("input", { type: "number", class: "field", step: "0.05", oninput: () => this.changed() });
  }

  /** @param {import("./part.js").Shown} shown */
  show({ row, details }) {
    if (this.row?.key !== row.key) {
      const usual = Number.isNaN(row.strength) ? 1 : row.strength;
      this.unet.value = String(usual);
      this.te.value = String(details.fields?.te_strength?.value ?? usual);
    }
    this.row = row;
    this.promptChanged();
  }

  /** The row's tag in the prompt. */
  tag() {
    const { prompts, library } = this.context;
    const { row } = this;
    return readTags(prompts.text).find(({ name }) => (
      library.nameIndex().find(name).some((one) => one.key === row?.key)));
  }

  promptChanged() {
    const { t, prompts } = this.context;
    const { row } = this;
    if (!row) {
      return;
    }
    const tag = this.tag();
    if (tag && !this.element.contains(focusIn(this.element))) {
      const { te, unet } = strengthsOf(tag);
      this.te.value = Number.isNaN(te) ? "" : String(te);
      this.unet.value = Number.isNaN(unet) ? "" : String(unet);
    }
    const why = whyNot(row, Boolean(prompts.box));
    [this.go, this.unet, this.te].forEach((control) => {
      control.disabled = Boolean(why);
    });
    this.go.classList.toggle("taken", Boolean(tag));
    setText(this.go, t(tag ? "panel.unuse" : "panel.use"));
    setText(this.why, why ? t(why) : "");
  }

  /** The numbers, or null while one is being typed. */
  strengths() {
    const [te, unet] = [this.te, this.unet].map((input) => (input.value === "" ? NaN : Number(input.value)));
    return Number.isFinite(te) && Number.isFinite(unet) ? { te, unet } : null;
  }

  changed() {
    const { prompts } = this.context;
    const tag = this.tag();
    const given = this.strengths();
    if (tag && given) {
      prompts.write(withStrengths(prompts.text, tag, given.te, given.unet));
    }
  }

  pressed() {
    const { prompts, use } = this.context;
    const { row } = this;
    if (!row) {
      return;
    }
    if (this.tag()) {
      use(row);
      return;
    }
    const { te, unet } = this.strengths() ?? { te: 1, unet: 1 };
    prompts.write(inserted(prompts.text, tagOf(row.shortName, te, unet), row.words.slice(0, 1)));
  }
}

/** @param {Element} near */
function focusIn(near) {
  return /** @type {ShadowRoot | Document} */ (near.getRootNode()).activeElement;
}

/**
 * @param {Row} row
 * @param {boolean} hasPrompt
 * @returns {string} the word for why it cannot be used, or ''
 */
function whyNot(row, hasPrompt) {
  if (row.status !== "ok") {
    return "use.broken";
  }
  if (!canBeWritten(row.shortName)) {
    return "use.name";
  }
  return hasPrompt ? "" : "insert.no_prompt";
}

export class FileTools {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    /** @type {Row | null} */
    this.row = null;
    this.buttons = [
      this.button("edit", "bar.rename", (row) => askName(this.element, context, row)), this.button("folder", "bar.move", (row) => this.move(row)),
      this.button("trash", "bar.trash", (row) => void this.trash(row)),
    ];
    this.element = make("div", { class: "file-tools", role: "group", "aria-label": t("panel.file") }, this.buttons);
  }

  /**
   * @param {string} picture
   * @param {string} word
   * @param {(row: Row) => void} act
   */
  button(picture, word, act) {
    return make("button", { type: "button", class: "plain-button", onclick: () => this.row && act(this.row) },
      [icon(picture), make("span", { text: this.context.t(word) })]);
  }

  /** @param {import("./part.js").Shown} shown */
  show({ row }) {
    this.row = row;
    lock(this.context, this.buttons);
  }

  /** @param {Row} row */
  move(row) {
    const { t } = this.context;
    const keys = [row.key];
    const how = { title: t("move.title", { count: 1 }), submit: t("move.submit"), chosen: pathOf(row) };
    pickFolder(this.element, this.context, how, (place) => (
      carryOut(this.context, { action: "move", keys, ...place }, movedSentence(this.context, keys, place))));
  }

  /** @param {Row} row */
  trash(row) {
    return tryOut(this.context, { action: "trash", keys: [row.key] }, this.context.t("done.trash", { count: 1 }));
  }
}
