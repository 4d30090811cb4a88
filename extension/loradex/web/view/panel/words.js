// Trigger words as switches for the prompt: one for each set, its single words behind it.

/** @import {Context} from "../../model/types.js" */
import { hasWords } from "../../model/prompt.js";
import { singleWords, toggledWords } from "../../model/strengths.js";
import { make, setAttribute } from "../dom.js";
import { Field } from "./field.js";
import { lock, Part, section } from "./part.js";

export class Words {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    this.sets = new Part(({ details }) => details.trigger_words, (words) => this.draw(words));
    this.field = new Field(context, {
      name: "trigger_words", label: t("field.trigger_words"), hint: t("words.hint"),
      input: make("textarea", { class: "field", rows: "3", dir: "auto" }),
      shown: (details) => (details.trigger_words ?? []).join("\n"),
      read: (text) => text.split("\n").map((line) => line.trim()).filter(Boolean),
    });
    this.element = section(t("panel.words"), [this.sets.element,
      make("details", { class: "words-edit" }, [make("summary", { text: t("words.edit") }), this.field.element])]);
  }

  /** @param {import("./part.js").Shown} shown */
  show(shown) {
    this.sets.show(shown);
    this.field.show(shown);
    lock(this.context, [this.field.form.input]);
    this.promptChanged();
  }

  /** @param {readonly string[]} sets */
  draw(sets) {
    return sets.length ? sets.map((set) => {
      const words = singleWords(set);
      return make("div", { class: "word-set" }, [
        this.button(set, "word whole"),
        ...(words.length > 1 ? words.map((word) => this.button(word, "word")) : []),
      ]);
    }) : [make("p", { class: "hint", text: this.context.t("words.none") })];
  }

  /**
   * @param {string} words
   * @param {string} kind
   */
  button(words, kind) {
    const { prompts, t } = this.context;
    const name = kind === "word" ? t("words.single", { words }) : t("words.set", { words });
    return make("button", {
      type: "button", class: kind, text: words, dir: "auto", "aria-label": name, "data-words": words,
      onclick: () => prompts.write(toggledWords(prompts.text, words)),
    });
  }

  promptChanged() {
    const { prompts } = this.context;
    const { box, text } = prompts;
    for (const button of this.sets.element.querySelectorAll("button")) {
      setAttribute(button, "aria-pressed", String(hasWords(text, button.dataset.words ?? "")));
      button.disabled = !box;
    }
  }

  commit() {
    void this.field.commit();
  }
}
