// The LoRAs of the prompt in use: a slider and a switch for each, and what is wrong with it.

/** @import {Tag} from "../model/prompt.js" */
/** @import {Context} from "../model/types.js" */
import { fitRank } from "../model/order.js";
import { hasWords, isReadable, readTags, strengthText, withStrength } from "../model/prompt.js";
import { make } from "./dom.js";

export class Strip {
  /** @param {Context} context */
  constructor({ t, prompts, library }) {
    this.t = t;
    this.prompts = prompts;
    this.names = () => library.nameIndex();
    /** @type {Map<string, number>} strengths of what is switched off */
    this.before = new Map();
    this.element = make("div", { class: "strip", role: "group", "aria-label": t("strip.label") });
  }

  draw() {
    const focused = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    if (focused instanceof HTMLInputElement && this.element.contains(focused)) {
      return; // a slider that is being moved stays
    }
    const prompt = this.prompts.text;
    this.element.replaceChildren(...readTags(prompt).map((tag, place) => this.item(prompt, tag, place)));
    this.element.hidden = !this.element.childElementCount;
  }

  /**
   * @param {string} prompt
   * @param {Tag} tag
   * @param {number} place
   */
  item(prompt, tag, place) {
    const { name } = tag;
    const on = tag.strength !== 0;
    const value = make("output", { text: strengthText(tag.strength) });
    const slider = make("input", {
      type: "range", min: Math.min(-2, tag.strength), max: Math.max(2, tag.strength), step: "0.05",
      value: tag.strength, "aria-label": this.t("strip.strength", { name }),
      disabled: !isReadable(tag), oninput: () => {
        value.textContent = slider.value;
        this.set(place, Number(slider.value));
      },
    });
    const off = make("button", {
      type: "button", class: "chip filter", "aria-pressed": String(on), text: name, dir: "auto",
      title: this.t("strip.off", { name }), onclick: () => {
        this.set(place, on ? 0 : this.before.get(name) ?? 1);
        this.before.set(name, tag.strength);
        this.draw();
      },
    });
    const warning = this.warning(prompt, name);
    return make("div", { class: "used-one" }, [off, slider, value,
      warning ? make("span", { class: "warning", text: `⚠ ${warning}` }) : null]);
  }

  /**
   * @param {number} place
   * @param {number} strength
   */
  set(place, strength) {
    const prompt = this.prompts.text;
    const tag = readTags(prompt)[place];
    if (tag) {
      this.prompts.write(withStrength(prompt, tag, strength));
    }
  }

  /**
   * @param {string} prompt
   * @param {string} name
   * @returns {string} '' where all is well
   */
  warning(prompt, name) {
    const found = this.names().find(name);
    if (!found.length) {
      const near = this.names().near(name).map((row) => row.shortName).join(", ");
      return near ? this.t("strip.near", { names: near }) : this.t("strip.missing");
    }
    if (found.length > 1) {
      return this.t("strip.ambiguous");
    }
    const [row] = found;
    if (fitRank(row) > 0) {
      return this.t(row.status === "ok" ? "strip.unfit" : "strip.faulty");
    }
    const spoken = !row.words.length || row.words.some((words) => hasWords(prompt, words));
    return spoken ? "" : this.t("strip.word");
  }
}
