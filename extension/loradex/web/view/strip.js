// The LoRAs of the prompt in use: a slider and a switch for each, and what is wrong with it.

/** @import {Tag} from "../model/prompt.js" */
/** @import {Context, Row} from "../model/types.js" */
import { fitRank } from "../model/order.js";
import { hasWords, isReadable, readTags, removed, toldStrength, withName, withStrength, withText } from "../model/prompt.js";
import { silenced, strengthsOf } from "../model/strengths.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";

const MOST_NAMES = 4;

/** @typedef {{text: string, ways: readonly Node[]}} Warning what is wrong, and buttons that help */

export class Strip {
  /** @param {Context} context */
  constructor({ t, prompts, library, open }) {
    this.t = t;
    this.open = open;
    this.prompts = prompts;
    this.names = () => library.nameIndex();
    /** @type {Map<string, string>} the whole tags of what is switched off */
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
    const { te, unet } = strengthsOf(tag);
    const on = te !== 0 || unet !== 0;
    const value = make("output", { text: toldStrength(tag) });
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
        this.toggle(place, on);
        this.draw();
      },
    });
    const remove = make("button", {
      type: "button", class: "plain", "aria-label": this.t("strip.remove", { name }), title: this.t("strip.remove", { name }),
      onclick: () => this.remove(place),
    }, [icon("close")]);
    const warning = this.warning(prompt, name, place);
    return make("div", { class: "used-one" }, [off, slider, value, remove, ...warning
      ? [make("span", { class: "warning", text: `⚠ ${warning.text}` }), ...warning.ways] : []]);
  }

  /** @param {number} place */
  remove(place) {
    const prompt = this.prompts.text;
    const tag = readTags(prompt)[place];
    if (tag) {
      const rows = this.names().find(tag.name);
      this.prompts.write(removed(prompt, tag, rows.length === 1 ? rows[0].words.slice(0, 1) : []));
    }
  }

  /**
   * @param {string} text
   * @param {() => void} onclick
   */
  way(text, onclick) {
    return make("button", { type: "button", class: "chip filter", text, dir: "auto", onclick });
  }

  /**
   * Buttons that put another file's name into the tag.
   * @param {readonly Row[]} rows
   * @param {number} place
   */
  renames(rows, place) {
    return rows.slice(0, MOST_NAMES).map((row) => this.way(row.shortName, () => {
      const prompt = this.prompts.text;
      const tag = readTags(prompt)[place];
      if (tag) {
        this.prompts.write(withName(prompt, tag, row.shortName));
      }
    }));
  }

  /**
   * @param {number} place
   * @param {boolean} on whether it is on now
   */
  toggle(place, on) {
    const prompt = this.prompts.text;
    const tag = readTags(prompt)[place];
    if (!tag) {
      return;
    }
    const before = this.before.get(tag.name);
    if (on) {
      this.before.set(tag.name, tag.text);
      this.prompts.write(silenced(prompt, tag));
    } else if (before) {
      this.prompts.write(withText(prompt, tag, before));
    } else {
      this.set(place, 1);
    }
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
   * @param {number} place
   * @returns {Warning | null} null where all is well
   */
  warning(prompt, name, place) {
    const { t } = this;
    const found = this.names().find(name);
    if (!found.length) {
      const near = this.names().near(name);
      return { text: t(near.length ? "strip.near" : "strip.missing"), ways: this.renames(near, place) };
    }
    if (found.length > 1) {
      return { text: t("strip.ambiguous"), ways: this.renames(found, place) };
    }
    const [row] = found;
    if (fitRank(row) > 0) {
      return { text: t(row.status === "ok" ? "strip.unfit" : "strip.faulty"),
        ways: [this.way(t("strip.details"), () => this.open(row))] };
    }
    const spoken = !row.words.length || row.words.some((words) => hasWords(prompt, words));
    return spoken ? null : { text: t("strip.word"),
      ways: [this.way(row.words[0], () => this.prompts.add(row.words[0]))] };
  }
}
