// Offers the names of LoRAs below a prompt box while `<lora:` is written in it.

/** @import {Row} from "../model/types.js" */
/** @import {Translate} from "../model/i18n.js" */
/** @import {Prompts} from "../hosts/prompts.js" */
import { candidates, completed, openTag } from "../model/completion.js";
import { tagText } from "../model/prompt.js";
import { familyTitle } from "../model/titles.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";

const MOST = 8;
/** Another extension's list of completions; while it is open ours stays away. */
const OTHERS = ".autocompleteResults";

/** @typedef {{t: Translate, library: import("../model/library.js").Library}} Known */

export class Completion {
  /**
   * @param {Prompts} prompts
   * @param {() => Promise<Known>} know reads the library when it is first needed
   * @param {string} styles address of the style sheet
   */
  constructor(prompts, know, styles) {
    this.prompts = prompts;
    this.know = know;
    /** @type {Row[]} */
    this.rows = [];
    this.active = 0;
    this.host = make("div", { class: "loradex-completion" });
    this.list = make("div", { class: "options", role: "listbox", hidden: true });
    this.status = make("div", { class: "unseen", role: "status" });
    this.host.attachShadow({ mode: "open" }).append(make("link", { rel: "stylesheet", href: styles }), this.list, this.status);
    this.onInput = (/** @type {Event} */ event) => void this.typed(event);
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.pressed(event);
    this.onLeave = () => this.close();
  }

  connect() {
    document.addEventListener("input", this.onInput);
    // Before the host's own keys: Enter would make a picture, Escape would stop one.
    document.addEventListener("keydown", this.onKey, true);
    document.addEventListener("focusout", this.onLeave);
  }

  disconnect() {
    document.removeEventListener("input", this.onInput);
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("focusout", this.onLeave);
    this.host.remove();
  }

  /** @param {Event} event */
  async typed(event) {
    const { target: box } = event;
    const tag = this.prompts.owns(box) ? openTag(box.value, box.selectionStart) : null;
    if (!tag || !this.prompts.owns(box) || !event.isTrusted) {
      this.close();
      return;
    }
    const { t, library } = await this.know();
    const now = openTag(box.value, box.selectionStart);
    const others = /** @type {HTMLElement | null} */ (document.querySelector(OTHERS));
    if (!now || document.activeElement !== box || others?.offsetParent) {
      this.close();
      return;
    }
    this.show(box, candidates(library.rows, now.typed, MOST), { t, library });
  }

  /**
   * @param {HTMLTextAreaElement} box
   * @param {Row[]} rows
   * @param {Known} known
   */
  show(box, rows, { t, library }) {
    this.rows = rows;
    this.active = 0;
    this.box = box;
    this.list.replaceChildren(...rows.map((row, place) => make("div", {
      class: "option", role: "option", onpointerdown: (event) => {
        event.preventDefault(); // the focus stays in the prompt
        this.choose(place);
      },
    }, [make("span", { class: "name", text: row.shortName, dir: "auto" }),
      make("span", { class: "family", text: row.family ? familyTitle(library.status, row.family) : "" }),
      row.verdict ? make("span", { class: "badge", "data-verdict": row.verdict, title: t(`verdict.${row.verdict}`) },
        [icon(row.verdict)]) : null])));
    this.list.hidden = !rows.length;
    this.list.setAttribute("aria-label", t("completion.label"));
    if (rows.length) {
      const { left, bottom, width } = box.getBoundingClientRect();
      this.list.style.cssText = `left:${left}px;top:${bottom + 2}px;max-width:${width}px`;
      document.body.append(this.host);
      this.mark();
    }
  }

  /** The box cannot point into our tree, so what is marked is told to readers in words. */
  mark() {
    [...this.list.children].forEach((option, place) => (
      option.setAttribute("aria-selected", String(place === this.active))));
    this.status.textContent = this.rows[this.active]?.shortName ?? "";
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (this.list.hidden || event.target !== this.box || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const count = this.rows.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.active = (this.active + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      this.mark();
    } else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      this.choose(this.active);
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** @param {number} place */
  choose(place) {
    const { box } = this;
    const row = this.rows[place];
    const caret = box?.selectionStart ?? 0;
    const tag = box && openTag(box.value, caret);
    this.close();
    if (box && row && tag) {
      const done = completed(box.value, { start: tag.start, caret }, tagText(row.shortName, row.strength), row.words.slice(0, 1));
      this.prompts.write(done.text);
      box.setSelectionRange(done.caret, done.caret);
    }
  }

  close() {
    this.list.hidden = true;
    this.rows = [];
  }
}
